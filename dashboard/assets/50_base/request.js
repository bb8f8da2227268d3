/* headscope.request: ask the server's API. Errors say what the server said. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const POLL_MS = 400;

  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  /** Options of a request that sends JSON. */
  const posted = (body, signal = null) => ({
    method: "POST",
    signal,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

  /** The reason the server gave ({"error": "..."}), else the status. */
  async function reason(response) {
    const answer = await response.json().catch(() => ({}));
    return answer.error || `the server answered ${response.status}`;
  }

  /** The response, when it is a good one. */
  async function checked(url, options) {
    const response = await fetch(url, options);
    if (!response.ok) throw new Error(await reason(response));
    return response;
  }

  const json = async (url, options) => (await checked(url, options)).json();

  /** The run that a job stores, once it has: `tell(text)` says how far it is, `wanted()` whether to go on (else
      null). */
  async function stored(job, tell, computing, wanted = () => true) {
    for (;;) {
      const state = await json(`/api/v1/live/runs/${job}`);
      if (!wanted()) return null;
      if (state.run) return state.run;
      if (state.error || !["queued", "running"].includes(state.status))
        throw new Error(state.error || `the job ended as ${state.status} without a run.`);
      tell(state.status === "queued" ? "Waiting for the jobs before it …" : computing);
      await pause(POLL_MS);
    }
  }

  hs.request = { pause, posted, reason, checked, json, stored };
})();
