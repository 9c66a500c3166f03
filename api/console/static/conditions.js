// The form of conditions: the server renders it after each change, and this puts it in place of what was there.
export function watchConditions() {
  for (const part of document.querySelectorAll("[data-conditions]")) watch(part);
}

function watch(part) {
  const form = part.closest("form");
  let asked = 0;

  const show = async (fields, change) => {
    const number = ++asked;
    const focused = document.activeElement?.id;
    const body = new URLSearchParams(fields);
    body.set("change", change);
    const headers = { "X-CSRF-Token": form.elements.csrf_token.value };
    const response = await fetch(part.dataset.conditions, { method: "POST", headers, body });
    if (number !== asked) return;
    if (!response.ok) throw new Error(String(response.status));
    part.replaceChildren(document.createRange().createContextualFragment(await response.text()));
    const target = part.querySelector("[data-focus]") ?? document.getElementById(focused)
      ?? part.querySelector("button[value=add], textarea");
    target?.focus();
    form.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const say = (isWrong) => {
    const notice = part.querySelector("[data-change-error]");
    if (notice) notice.hidden = !isWrong;
  };
  const change = (what) => show(new FormData(form), what).catch(() => say(true));

  part.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-change]");
    if (!button) return;
    event.preventDefault();
    change(button.value);
  });
  part.addEventListener("change", (event) => {
    if (event.target.matches("[data-change-on-choice]")) change("update");
  });
  // Rows that were typed before, and are not on the page as it came (keep.js).
  form.addEventListener("restored", (event) => {
    const kept = event.detail.filter(([name]) => name.startsWith("row-") || name.startsWith("conditions") || name === "joined");
    if (kept.length) show(kept, "update").catch(() => say(true));
  });
}
