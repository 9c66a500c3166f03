// The seconds in which a mailing can still be undone.
export function watchCountdown() {
  for (const part of document.querySelectorAll("[data-countdown]")) {
    const end = performance.now() + Number(part.dataset.countdown) * 1000;
    const shown = part.querySelector("[data-seconds-left]");
    const timer = setInterval(() => {
      const left = Math.ceil((end - performance.now()) / 1000);
      if (left > 0) {
        if (shown) shown.textContent = left;
        return;
      }
      clearInterval(timer);
      part.remove();
    }, 250);
  }
}
