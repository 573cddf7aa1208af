// Shows the document, and lets whoever is logged in by the console try routes: a write by cookie shows the session's csrf_token.
"use strict";

let proof = null;

async function withProof(request) {
  if (["GET", "HEAD"].includes((request.method || "GET").toUpperCase()) || request.headers.Authorization) {
    return request;
  }
  if (proof === null) {
    const answer = await fetch("/api/v1/me", { credentials: "same-origin" });
    proof = answer.ok ? (await answer.json()).csrf_token : null;
  }
  if (proof) {
    request.headers["X-CSRF-Token"] = proof;
  }
  return request;
}

SwaggerUIBundle({
  url: "/api/v1/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  filter: true,
  validatorUrl: null,
  requestInterceptor: withProof,
});
