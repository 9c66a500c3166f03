// Swagger UI, on this API's own document. Somebody who is signed in tries operations out as the console would.
"use strict";
(() => {
  const page = document.getElementById("swagger-ui");
  const token = document.querySelector('meta[name="csrf-token"]')?.content;

  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const chosen = document.documentElement.dataset.theme;
  const follow = () =>
    document.documentElement.classList.toggle("dark-mode", chosen ? chosen === "dark" : dark.matches);
  follow();
  dark.addEventListener("change", follow);

  // A key that was entered here goes before the cookie, and needs no token. No other site is told of it.
  const sign = (request) => {
    const ours = new URL(request.url, location.href).origin === location.origin;
    const byKey = Object.keys(request.headers ?? {}).some((name) => name.toLowerCase() === "authorization");
    if (token && ours && !byKey) {
      request.headers = { ...request.headers, "X-CSRF-Token": token };
    }
    return request;
  };

  SwaggerUIBundle({
    domNode: page,
    url: page.dataset.document,
    presets: [SwaggerUIBundle.presets.apis],
    // Not the layout with a bar at its top: that has a style in it, which the page's policy forbids.
    layout: "BaseLayout",
    deepLinking: true,
    // By default the document's address is sent to a validator on the internet.
    validatorUrl: null,
    // The default one has numbers in a red that is too dark.
    syntaxHighlight: { theme: "monokai" },
    requestInterceptor: sign,
    // Or the command for curl, which has no cookie, would show the token.
    showMutatedRequest: false,
  });
})();
