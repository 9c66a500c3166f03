// Counts of a list, each of which may take seconds: they are asked for one after the other, once the page is there.
export async function watchCounts() {
  for (const part of document.querySelectorAll("[data-count]")) {
    const headers = { "X-CSRF-Token": part.dataset.csrf };
    try {
      const response = await fetch(part.dataset.count, { method: "POST", headers });
      if (!response.ok) throw new Error(String(response.status));
      part.replaceChildren(document.createRange().createContextualFragment(await response.text()));
    } catch {
      part.textContent = part.dataset.failed;
    }
  }
}
