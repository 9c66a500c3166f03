// A form is sent once: its buttons rest after the first click, and its token tells the server that it is the same form.
const REST = 20000; // milliseconds; after that, another click is safe all the same: the token goes with it

export function watchForms() {
  keepTokens();
  document.addEventListener("submit", rest);
  window.addEventListener("pageshow", (event) => { if (event.persisted) comeBack(); });
}

// Who comes back to a page gets it anew from the server. A form that adds something is still the same one then, with its
// fields as they were left: sent again, it adds nothing. Any other asks anew, about what has become of things since.
function keepTokens() {
  const kept = { ...history.state?.formTokens };
  for (const input of document.querySelectorAll("form[data-adds] input[data-form-token]")) {
    const action = input.form.getAttribute("action") ?? "";
    if (kept[action]) input.value = kept[action];
    else kept[action] = input.value;
  }
  history.replaceState({ ...history.state, formTokens: kept }, "");
}

// The browser has kept the page as it was.
function comeBack() {
  const sent = [...document.querySelectorAll("form")].filter((form) => form.dataset.sent);
  if (sent.some((form) => !("adds" in form.dataset))) return location.reload();
  sent.forEach(wake);
}

function rest(event) {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "true";
  // Not at once: a button that rests is not sent with its form.
  setTimeout(() => {
    for (const button of buttonsOf(form)) button.disabled = true;
  });
  setTimeout(() => wake(form), REST);
}

function wake(form) {
  if (!form.dataset.sent) return;
  delete form.dataset.sent;
  for (const button of buttonsOf(form)) button.disabled = false;
}

function buttonsOf(form) {
  return [...form.elements].filter((element) => element.type === "submit");
}
