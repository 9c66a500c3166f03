// What is typed in a form stays in this tab until the form has been taken: neither a session that ends, nor a click
// elsewhere, nor going back loses it. Signing out forgets it.
const PREFIX = "form:";
const NOT_TYPED = new Set(["csrf_token", "form_token", "kept", "language", "theme"]);

export function keepForms() {
  settle();
  for (const form of document.querySelectorAll("form[data-keep]")) keep(form, keyOf(location.pathname + location.search));
  document.querySelector("form[data-sign-out]")?.addEventListener("submit", () => keptKeys().forEach(forget));
  // What this tab has kept needs not go through the sign-in.
  for (const field of document.querySelectorAll("input[data-kept]")) {
    if (recall(keyOf(field.dataset.kept))) field.remove();
  }
  document.querySelector("form[data-go-on]")?.requestSubmit();
  for (const link of document.querySelectorAll("a[data-language]")) link.addEventListener("click", sendAlong);
  window.addEventListener("beforeunload", (event) => { if (isImporting()) event.preventDefault(); });
}

// A file that was chosen, and not imported yet, can be kept nowhere: the browser asks whether to leave.
function isImporting() {
  const form = document.querySelector("form[data-import]");
  if (!form?.elements.file.files.length) return false;
  const result = form.querySelector("[data-import-result]");
  const isUnderWay = !form.querySelector("[data-import-shown]").hidden;
  return isUnderWay || !result.hasChildNodes() || result.querySelector("[data-import-step=import]") !== null;
}

// The form comes back in the other language, as it is: nothing is checked, and nothing done.
function sendAlong(event) {
  const link = event.currentTarget;
  const form = document.getElementById(link.dataset.form);
  if (!form || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const choice = document.createElement("input");
  Object.assign(choice, { type: "hidden", name: "language", value: link.dataset.language });
  form.append(choice);
  HTMLFormElement.prototype.submit.call(form);
}

// A form that was sent has been taken if what came then is another page, and none that refuses it.
function settle() {
  const isAnswered = !("notTaken" in document.body.dataset);
  for (const key of keptKeys()) {
    const kept = recall(key);
    if (!kept.sent) continue;
    if (isAnswered && key !== keyOf(location.pathname + location.search)) forget(key);
    else remember(key, { ...kept, sent: false });
  }
}

function keep(form, key) {
  const asItCame = fieldsOf(form);
  const kept = recall(key);
  if (kept && !("shownAgain" in form.dataset) && !same(kept.fields, asItCame)) {
    restore(form, kept.fields);
    form.dispatchEvent(new CustomEvent("restored", { detail: kept.fields }));
    const notice = form.querySelector("[data-typed-before]");
    notice.hidden = false;
    notice.querySelector("button").addEventListener("click", () => {
      forget(key);
      location.assign(location.href);
    });
  }
  document.querySelector("[data-discard]")?.addEventListener("click", () => forget(key));
  form.addEventListener("input", () => {
    const fields = fieldsOf(form);
    same(fields, asItCame) ? forget(key) : remember(key, { fields, sent: false });
  });
  form.addEventListener("submit", (event) => {
    if (!event.defaultPrevented) remember(key, { fields: fieldsOf(form), sent: true });
  });
}

function fieldsOf(form) {
  return [...new FormData(form)].filter(([name, value]) => !NOT_TYPED.has(name) && typeof value === "string");
}

function restore(form, fields) {
  for (const element of form.elements) {
    if (!element.name || NOT_TYPED.has(element.name) || element.type === "submit") continue;
    const values = fields.filter(([name]) => name === element.name).map(([, value]) => value);
    if (element.type === "radio" || element.type === "checkbox") element.checked = values.includes(element.value);
    else if (values.length) [element.value] = values;
  }
}

function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

function keyOf(address) {
  return PREFIX + address;
}

// A browser may give a page no storage, or have no room: then the form goes through the sign-in with the server's help.
function keptKeys() {
  try {
    return Object.keys(sessionStorage).filter((key) => key.startsWith(PREFIX));
  } catch {
    return [];
  }
}

function recall(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key));
  } catch {
    return null;
  }
}

function remember(key, kept) {
  try {
    sessionStorage.setItem(key, JSON.stringify(kept));
  } catch {
    forget(key);
  }
}

function forget(key) {
  try {
    sessionStorage.removeItem(key);
  } catch {
    // There is nothing to forget.
  }
}
