// What a mailing would come to, while one types: the server reckons, and renders it.
const PAUSE = 300; // milliseconds without a key, before it is asked

export function watchPlan() {
  const form = document.querySelector("form[data-plan]");
  if (!form) return;
  const shown = form.querySelector("[data-plan-shown]");
  let timer;
  let asked = 0;
  const ask = async () => {
    const number = ++asked;
    const body = new URLSearchParams(new FormData(form));
    // What is history is shown and not sent with the form; the reckoning wants it.
    for (const field of form.querySelectorAll("[name]:disabled")) body.set(field.name, field.value);
    try {
      const headers = { "X-CSRF-Token": form.elements.csrf_token.value };
      const response = await fetch(form.dataset.plan, { method: "POST", headers, body });
      if (!response.ok || number !== asked) return;
      const html = await response.text();
      if (html !== shown.dataset.html) shown.innerHTML = html;
      shown.dataset.html = html;
    } catch {
      // The next key asks again.
    }
  };
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  };
  form.addEventListener("input", soon);
  ask();
}
