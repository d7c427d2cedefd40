// Passkeys: the one thing here that needs a script. Question by fetch, answer by the form itself, page by the server.

// What needs one is shown by the style sheet, under the class that stands on the root below.

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));

function text(buffer) {
  const characters = Array.from(new Uint8Array(buffer), (one) => String.fromCharCode(one)).join("");
  return btoa(characters).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

const named = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

async function question(form) {
  const wanted = { method: "POST", body: new URLSearchParams(), headers: { Accept: "application/json" }, redirect: "manual" };
  const answer = await fetch(`${form.getAttribute("action")}/question`, wanted);
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({}));
  throw new Error(problem.detail || form.dataset.failed);
}

async function made(asked) {
  const publicKey = {
    ...asked,
    challenge: bytes(asked.challenge),
    user: { ...asked.user, id: bytes(asked.user.id) },
    excludeCredentials: named(asked.excludeCredentials),
  };
  const { response, ...credential } = parts(await navigator.credentials.create({ publicKey }));
  const transports = response.getTransports ? response.getTransports() : [];
  return { ...credential, response: { ...clientData(response), attestationObject: text(response.attestationObject), transports } };
}

async function shown(asked) {
  const publicKey = { ...asked, challenge: bytes(asked.challenge), allowCredentials: named(asked.allowCredentials) };
  const { response, ...credential } = parts(await navigator.credentials.get({ publicKey }));
  const holder = response.userHandle && response.userHandle.byteLength ? text(response.userHandle) : null;
  const signed = { authenticatorData: text(response.authenticatorData), signature: text(response.signature) };
  return { ...credential, response: { ...clientData(response), ...signed, userHandle: holder } };
}

const parts = (one) => ({ id: text(one.rawId), rawId: text(one.rawId), type: one.type, response: one.response });
const clientData = (response) => ({ clientDataJSON: text(response.clientDataJSON) });

function why(form, fault) {
  if (fault.name === "InvalidStateError") return form.dataset.known || form.dataset.failed;
  return fault instanceof DOMException ? form.dataset.failed : fault.message;
}

async function serve(form) {
  const button = form.querySelector("button");
  const place = form.querySelector("[data-passkey-error]");
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  place.hidden = true;
  try {
    const asked = await question(form);
    const answer = form.dataset.passkey === "create" ? await made(asked) : await shown(asked);
    form.elements.answer.value = JSON.stringify(answer);
    form.submit();
  } catch (fault) {
    place.textContent = why(form, fault);
    place.hidden = false;
  }
  button.removeAttribute("aria-disabled");
}

if (window.PublicKeyCredential && navigator.credentials) {
  document.documentElement.classList.add("passkeys");
  document.addEventListener("submit", (event) => { // one ear for all: a room draws parts of its page anew
    if (!event.target.matches("form[data-passkey]")) return;
    event.preventDefault();
    serve(event.target);
  });
}
