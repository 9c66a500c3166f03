// A form is sent once: its buttons are disabled after the first click, and its token identifies it to the server.
const DISABLED_FOR = 20000; // milliseconds; a later click is safe as well: the token is sent with it

export function watchForms() {
  keepTokens();
  document.addEventListener("submit", disable);
  window.addEventListener("pageshow", (event) => { if (event.persisted) onRestored(); });
}

// Going back to a page loads it again from the server. A form that adds something keeps its token then, and its fields as
// they were left: sent again, it adds nothing. Any other form gets a new token, for the present state.
function keepTokens() {
  const kept = { ...history.state?.formTokens };
  for (const input of document.querySelectorAll("form[data-adds] input[data-form-token]")) {
    const action = input.form.getAttribute("action") ?? "";
    if (kept[action]) input.value = kept[action];
    else kept[action] = input.value;
  }
  history.replaceState({ ...history.state, formTokens: kept }, "");
}

// The browser has restored the page from its cache.
function onRestored() {
  const sent = [...document.querySelectorAll("form")].filter((form) => form.dataset.sent);
  if (sent.some((form) => !("adds" in form.dataset))) return location.reload();
  sent.forEach(enable);
}

function disable(event) {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "true";
  // Not at once: a disabled button is not sent with its form.
  setTimeout(() => {
    for (const button of buttonsOf(form)) button.disabled = true;
  });
  setTimeout(() => enable(form), DISABLED_FOR);
}

function enable(form) {
  if (!form.dataset.sent) return;
  delete form.dataset.sent;
  for (const button of buttonsOf(form)) button.disabled = false;
}

function buttonsOf(form) {
  return [...form.elements].filter((element) => element.type === "submit");
}
