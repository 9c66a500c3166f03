// Sends a file of clients, first to check it, also with other fields for its columns, then to import it, and shows the
// progress.
export function watchImport() {
  const form = document.querySelector("form[data-import]");
  if (!form) return;
  const words = form.querySelector("[data-words]").dataset;
  const shown = form.querySelector("[data-import-shown]");
  const status = shown.querySelector("[data-import-status]");
  const bar = form.querySelector("progress");
  const result = form.querySelector("[data-import-result]");
  let busy = false;
  // What was chosen for columns, by their names. It applies to every file that has them.
  const chosen = new Map();

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    take("check");
  });
  result.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-import-step]");
    if (button) take(button.dataset.importStep);
  });
  // What is shown is of the file as it was chosen. The same one again, as after a correction, is a choice too.
  form.addEventListener("change", (event) => {
    const column = event.target.dataset.importColumn;
    if (column !== undefined) {
      chosen.set(column, event.target.value);
      // What is shown is not what an import would do now.
      for (const button of result.querySelectorAll("button:not([data-import-step=check])")) button.remove();
    } else result.replaceChildren();
  });
  form.elements.file.addEventListener("click", () => {
    form.elements.file.value = "";
    result.replaceChildren();
  });

  async function take(step) {
    if (busy) return;
    begin(true);
    try {
      const file = form.elements.file.files[0];
      const request = await send(file, step);
      if (request.response.type.startsWith("text/csv")) save(request.response, file);
      else result.replaceChildren(answerOf(await request.response.text()));
    } catch {
      result.replaceChildren(alert(words.lost));
    }
    begin(false);
  }

  function begin(working) {
    busy = working;
    shown.hidden = !working;
    for (const control of form.querySelectorAll("button, input, select")) control.disabled = working;
  }

  function send(file, step) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", `${form.dataset.import}?${query(step)}`);
      request.responseType = "blob";
      request.setRequestHeader("Content-Type", kind(file));
      request.setRequestHeader("Accept", "text/html");
      request.setRequestHeader("X-CSRF-Token", form.elements.csrf_token.value);
      request.upload.addEventListener("progress", (event) => {
        status.textContent = words.sending;
        bar.value = (100 * event.loaded) / event.total;
      });
      request.upload.addEventListener("load", () => {
        // The progress of the database is not known: a bar without a value.
        status.textContent = words.working;
        bar.removeAttribute("value");
      });
      request.addEventListener("load", () => resolve(request));
      request.addEventListener("error", reject);
      request.send(file);
    });
  }

  function query(step) {
    const values = { step, columns: JSON.stringify(Object.fromEntries(chosen)) };
    for (const name of ["default_region", "default_timezone"]) values[name] = form.elements[name].value;
    for (const name of ["fill", "create_fields", "remove_empty", "replace_tags"])
      if (form.elements[name].checked) values[name] = "true";
    return new URLSearchParams(values);
  }

  function kind(file) {
    if (/\.(ndjson|jsonl)$/i.test(file.name)) return "application/x-ndjson";
    const encoding = form.elements.encoding.value;
    return encoding ? `text/csv; charset=${encoding}` : "text/csv";
  }
}

// The report in the response; of a whole page, such as that of an ended session, its text.
function answerOf(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  return page.querySelector("[data-import-answer]") ?? alert((page.querySelector("main") ?? page.body).textContent);
}

function save(blob, file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `rejected-${file.name.replace(/\.\w+$/, "")}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}

function alert(text) {
  const made = document.createElement("div");
  made.className = "alert alert-danger";
  made.textContent = text.trim();
  return made;
}
