// The estimate of a mailing while a person types: the server calculates and renders it.
import { localizeMoments } from "./datetimes.js";
import { patch } from "./patch.js";

const PAUSE = 300; // milliseconds without a key press before the server is asked

export function watchEstimate() {
  const form = document.querySelector("form[data-estimate]");
  if (!form) return;
  const shown = form.querySelector("[data-estimate-shown]");
  let timer;
  let asked = 0;
  const ask = async () => {
    const number = ++asked;
    const body = new URLSearchParams(new FormData(form));
    // Fields that can't be changed any more are not sent with the form, but the estimate needs them.
    for (const field of form.querySelectorAll("[name]:disabled")) body.set(field.name, field.value);
    try {
      const headers = { "X-CSRF-Token": form.elements.csrf_token.value };
      const response = await fetch(form.dataset.estimate, { method: "POST", headers, body });
      if (number !== asked) return;
      if (response.status === 401) return showError("signedOut");
      if (!response.ok) return showError("failed");
      const fresh = document.createRange().createContextualFragment(await response.text());
      localizeMoments(fresh);
      patch(shown, fresh);
      showReplacement();
      showError("");
    } catch {
      if (number === asked) showError("failed");  // the next key asks again
    }
  };
  // What is shown is for an earlier text, and must be marked as such.
  const showError = (what) => {
    shown.classList.toggle("stale", what !== "");
    for (const notice of form.querySelectorAll("[data-estimate-error]")) notice.hidden = notice.dataset.estimateError !== what;
  };
  // Without scripts, a button at the end of the form does the same.
  const showReplacement = () => {
    for (const button of shown.querySelectorAll("[data-replace]")) button.hidden = false;
  };
  shown.addEventListener("click", (event) => {
    const button = event.target.closest("[data-replace]");
    if (!button) return;
    form.elements.text.value = button.dataset.replace;
    form.elements.text.dispatchEvent(new Event("input", { bubbles: true }));
    form.elements.text.focus();
  });
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  };
  form.addEventListener("input", soon);
  showReplacement();
  ask();
}
