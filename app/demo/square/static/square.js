// Tells a reader that something new is there; nothing is loaded or moved until the reader asks.
const line = document.getElementById("fresh");
const { newest, received } = document.body.dataset;
if (line && newest) {
  let failures = 0;
  const timer = setInterval(async () => {
    try {
      const answer = await fetch(`/fresh.json?after=${encodeURIComponent(newest)}`);
      const { posts, messages } = await answer.json();
      failures = 0;
      if (line.dataset.of === "messages" ? messages > Number(received) : posts > 0) {
        line.hidden = false;
        clearInterval(timer);
      }
    } catch {
      failures += 1;
      if (failures > 5) clearInterval(timer); // the demo has been stopped: the page stays as it is
    }
  }, 2500);
}
