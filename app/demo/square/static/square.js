// Tells a reader that newer posts exist; nothing is loaded or moved until the reader asks.
const line = document.getElementById("fresh");
const newest = document.body.dataset.newest;
if (line && newest) {
  const timer = setInterval(async () => {
    try {
      const answer = await fetch(`/fresh.json?after=${encodeURIComponent(newest)}`);
      if (answer.ok && (await answer.json()).count > 0) {
        line.hidden = false;
        clearInterval(timer);
      }
    } catch {
      // the demo has been stopped: the page stays as it is
      clearInterval(timer);
    }
  }, 3000);
}
