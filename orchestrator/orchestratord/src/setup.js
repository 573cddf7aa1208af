// The token stands behind the # of the link: browsers send that part to nobody.
document.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = new FormData(event.target);
  const body = { token: location.hash.slice(1), name: fields.get("name"), password: fields.get("password") };
  const status = document.querySelector("[role=status]");
  try {
    const answer = await fetch("/api/v1/setup", { method: "POST", body: JSON.stringify(body) });
    const told = await answer.json();
    const errors = (told.errors || []).map((error) => `${error.path}: ${error.what}; allowed: ${error.allowed}`);
    status.textContent = answer.ok ? `${told.name} can log in now.` : [told.detail, ...errors].join(". ");
    if (answer.ok) history.replaceState(null, "", location.pathname);
  } catch (error) {
    status.textContent = `The orchestrator does not answer: ${error.message}`;
  }
});
