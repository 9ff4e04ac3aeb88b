// Swagger UI, and the token that its calls carry. The token lives in sessionStorage: this tab, until it is closed.
"use strict";

(() => {
  const KEY = "kea.token";
  const target = document.getElementById("swagger-ui");
  const field = document.getElementById("token");
  const state = document.getElementById("token-state");

  const show = () => { state.textContent = sessionStorage.getItem(KEY) ? "A token is in use." : ""; };
  document.getElementById("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const token = field.value.trim().replace(/^bearer\s+/i, "");
    if (token) {
      sessionStorage.setItem(KEY, token);
      field.value = "";
    }
    show();
  });
  document.getElementById("token-forget").addEventListener("click", () => {
    sessionStorage.removeItem(KEY);
    field.value = "";
    show();
  });
  show();

  window.ui = SwaggerUIBundle({
    url: target.dataset.url,
    domNode: target,
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    validatorUrl: null,
    deepLinking: true,
    docExpansion: target.dataset.expand,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    tryItOutEnabled: true,
    persistAuthorization: false,
    withCredentials: false,
    requestInterceptor: async (request) => {
      // The document may name the gateway by another name than this page was reached by; the token goes to this one only.
      const address = new URL(request.url, location.href);
      request.url = `${location.origin}${address.pathname}${address.search}`;
      const token = sessionStorage.getItem(KEY);
      if (token) {
        request.headers.Authorization = `Bearer ${token}`;
      } else {
        await window.keaSession?.fresh(); // without a token it is the session's cookie that calls
      }
      return request;
    },
  });
})();
