// Shows new messages as they arrive by loading the page again; without this script the page has a link for that.
const seen = document.body.dataset.arrived;
let failures = 0;
const timer = setInterval(async () => {
  try {
    const answer = await fetch("/arrived.json");
    failures = 0;
    if (answer.ok && String((await answer.json()).arrived) !== seen) {
      clearInterval(timer);
      location.reload();
    }
  } catch {
    failures += 1;
    if (failures > 5) clearInterval(timer); // the demo has been stopped
  }
}, 1500);
