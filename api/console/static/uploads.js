// A file is sent as it is, or numbers that were typed as one: there may be more than a form can have.
export function watchUploads() {
  const form = document.querySelector("form[data-upload]");
  if (!form) return;
  const result = document.querySelector("[data-upload-result]");
  const lost = document.querySelector("[data-upload-lost]");
  const input = form.querySelector("input[type=file]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const file = input.files[0];
    const fields = [...new FormData(form)].filter(([name]) => !["csrf_token", "form_token", "numbers"].includes(name));
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    lost.hidden = true;
    try {
      const headers = { "X-CSRF-Token": form.elements.csrf_token.value, "Content-Type": kind(form, file) };
      const response = await fetch(`${form.dataset.upload}?${new URLSearchParams(fields)}`, { method: "POST", headers, body: file ?? typed(form) });
      if (!response.ok) throw new Error(String(response.status));
      result.replaceChildren(document.createRange().createContextualFragment(await response.text()));
    } catch {
      lost.hidden = false;
    }
    button.disabled = false;
  });
}

function kind(form, file) {
  if (file && /\.(ndjson|jsonl)$/i.test(file.name)) return "application/x-ndjson";
  const type = "csv" in form.dataset ? "text/csv" : "text/plain";
  return file ? type : `${type}; charset=utf-8`;
}

// The numbers, after the name of their column if the server expects one.
function typed(form) {
  const numbers = form.elements.numbers?.value ?? "";
  return form.dataset.heading ? `${form.dataset.heading}\n${numbers}` : numbers;
}
