// Sends a file of clients to the API and shows how far it is; what was left out can be saved with the reasons.
export function watchImport() {
  const form = document.querySelector("form[data-import]");
  if (!form) return;
  const words = form.querySelector("[data-words]").dataset;
  const shown = form.querySelector("[data-import-shown]");
  const step = form.querySelector("[data-import-step]");
  const bar = form.querySelector("progress");
  const result = form.querySelector("[data-import-result]");
  const button = form.querySelector("button[type=submit]");

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const file = form.elements.file.files[0];
    result.replaceChildren();
    shown.hidden = false;
    button.disabled = true;
    try {
      const request = await send(file, "application/json");
      const answer = JSON.parse(request.responseText);
      request.status === 200 ? report(answer, file) : complain(`${words.failed} ${answer.message}`);
    } catch {
      complain(words.lost);
    }
    shown.hidden = true;
    button.disabled = false;
  });

  function send(file, accept) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const region = form.elements.default_region.value;
      request.open("POST", `${form.dataset.import}?default_region=${encodeURIComponent(region)}`);
      request.setRequestHeader("Content-Type", /\.(ndjson|jsonl)$/i.test(file.name) ? "application/x-ndjson" : "text/csv");
      request.setRequestHeader("Accept", accept);
      request.setRequestHeader("X-CSRF-Token", form.elements.csrf_token.value);
      request.upload.addEventListener("progress", (event) => {
        step.textContent = words.sending;
        bar.value = (100 * event.loaded) / event.total;
      });
      request.upload.addEventListener("load", () => {
        // How far the database is, nobody tells: a bar without a value.
        step.textContent = words.working;
        bar.removeAttribute("value");
      });
      request.addEventListener("load", () => resolve(request));
      request.addEventListener("error", reject);
      request.send(file);
    });
  }

  function report(answer, file) {
    const list = element("dl", "facts");
    for (const name of ["added", "changed", "unchanged", "rejected"]) {
      if (!(name in answer)) continue;
      list.append(element("dt", "", words[name]), element("dd", "", answer[name].toLocaleString(document.documentElement.lang)));
    }
    result.append(list);
    if (answer.rejected) result.append(faults(answer.errors), saving(file));
    const link = element("a", "btn btn-outline-primary", words.toClients);
    link.href = words.address;
    result.append(link);
  }

  function faults(errors) {
    const list = element("ul", "faults");
    for (const error of errors.slice(0, 10)) {
      list.append(element("li", "", `${error.line}: ${[error.field, error.reason].filter(Boolean).join(" – ")}`));
    }
    if (errors.length > 10) list.append(element("li", "", "…"));
    return list;
  }

  // The same file again changes nothing; this time the answer is the file of what was left out.
  function saving(file) {
    const save = element("button", "btn btn-primary", words.save);
    save.type = "button";
    save.addEventListener("click", async () => {
      const request = await send(file, "text/csv");
      const link = element("a");
      link.href = URL.createObjectURL(new Blob([request.responseText], { type: "text/csv" }));
      link.download = `rejected-${file.name.replace(/\.\w+$/, "")}.csv`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
    return save;
  }

  function complain(message) {
    const alert = element("div", "alert alert-danger", message);
    result.append(alert);
  }
}

function element(name, classes = "", text = "") {
  const made = document.createElement(name);
  made.className = classes;
  made.textContent = text;
  return made;
}
