// What a mailing would come to, while one types: the server reckons, and renders it.
import { patch } from "./patch.js";

const PAUSE = 300; // milliseconds without a key, before it is asked

export function watchEstimate() {
  const form = document.querySelector("form[data-estimate]");
  if (!form) return;
  const shown = form.querySelector("[data-estimate-shown]");
  let timer;
  let asked = 0;
  const ask = async () => {
    const number = ++asked;
    const body = new URLSearchParams(new FormData(form));
    // What is history is shown and not sent with the form; the reckoning wants it.
    for (const field of form.querySelectorAll("[name]:disabled")) body.set(field.name, field.value);
    try {
      const headers = { "X-CSRF-Token": form.elements.csrf_token.value };
      const response = await fetch(form.dataset.estimate, { method: "POST", headers, body });
      if (number !== asked) return;
      if (response.status === 401) return complain("signedOut");
      if (!response.ok) return complain("failed");
      patch(shown, document.createRange().createContextualFragment(await response.text()));
      complain("");
    } catch {
      if (number === asked) complain("failed");  // the next key asks again
    }
  };
  // What is shown is of an earlier text, and must not pass for that of this one.
  const complain = (what) => {
    shown.classList.toggle("stale", what !== "");
    for (const words of form.querySelectorAll("[data-estimate-trouble]")) words.hidden = words.dataset.estimateTrouble !== what;
  };
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  };
  form.addEventListener("input", soon);
  ask();
}
