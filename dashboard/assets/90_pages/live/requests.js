/* headscope.live.Requests: what the Live page asks of the server. One request at a time: a newer one takes the place of
   the one under way, here and on the server. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});
  const live = (hs.live = hs.live || {});
  const API = "/api/v1/live", DEBOUNCE = 40, REST = 400, SLOW = 1500, BUSY = 3000;

  const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}`;

  /** The reason of an answer that is none, as a sentence. */
  async function reason(response) {
    const answer = await response.json().catch(() => ({}));
    return sentence(answer.error || `The server answered ${response.status}.`);
  }

  class Requests {
    constructor(page) {
      this.page = page;
      this.client = Array.from(crypto.getRandomValues(new Uint32Array(2)), (n) => n.toString(36)).join("");
      this.sequence = 0;
    }

    /** Nothing that waits for a pause is sent. */
    wait() {
      clearTimeout(this.timer);
      clearTimeout(this.rest);
    }

    later(since, delay) {
      this.timer = setTimeout(() => this.send(since), delay);
    }

    drop() {
      clearTimeout(this.patience);
      clearTimeout(this.rest);
      if (this.flight) this.flight.abort();
      this.flight = null;
      this.sequence += 1;
      this.page.root.removeAttribute("aria-busy");
    }

    /** The next request: what was under way is dropped. */
    take() {
      this.drop();
      this.flight = new AbortController();
      return { sequence: this.sequence, signal: this.flight.signal };
    }

    body(sequence) {
      const { model, text, target, foil, position } = this.page.state;
      return {
        model,
        text,
        target: position === null ? target : "",
        foil,
        target_position: position,
        client: this.client,
        sequence,
      };
    }

    /** First what a forward pass gives, drawn at once; then, when typing has come to rest, what the target rests on. */
    async send(since) {
      const { page } = this, { sequence, signal } = this.take(), marks = { since, sent: performance.now() };
      page.root.setAttribute("aria-busy", "true");
      this.patience = setTimeout(() => this.slow(), SLOW);
      try {
        const response = await this.fetch("", this.body(sequence), signal);
        if (response.status === 503) this.rest = setTimeout(() => this.send(since), BUSY);
        if (!response.ok) {
          if (response.status !== 409) this.refused(sequence, await reason(response));
          return;
        }
        const buffer = await response.arrayBuffer();
        if (sequence !== this.sequence) return;
        marks.received = performance.now();
        marks.server = live.serverTiming(response.headers.get("Server-Timing"));
        clearTimeout(this.patience);
        page.show(live.read(buffer), marks);
        this.rest = setTimeout(() => page.explaining.start(), REST);
      } catch (error) {
        if (error.name !== "AbortError")
          this.refused(sequence, sentence(`${error.message}. Is the server still running?`));
      }
    }

    slow() {
      const { model } = this.page.state;
      this.page.say("hint", `Still computing. The first look at a model takes longer: ${model} has to be loaded.`);
    }

    fetch(path, body, signal) {
      return fetch(API + path, hs.request.posted(body, signal));
    }

    /** The answer of a request that follows the first, or an error fit for a user; waits while the server is busy. */
    async post(path, body, signal) {
      for (;;) {
        const response = await this.fetch(path, body, signal);
        if (response.ok) return response.json();
        if (response.status === 409) throw new DOMException("a newer request took its place", "AbortError");
        if (response.status !== 503) throw new Error(await reason(response));
        await hs.request.pause(BUSY);
        signal.throwIfAborted();
      }
    }

    /** Something that follows the text on view: it stops the explanation, which goes on afterwards. */
    async aside(path, body) {
      const { sequence, signal } = this.take(), { page } = this;
      try {
        return await this.post(path, { ...body, client: this.client, sequence }, signal);
      } finally {
        if (sequence === this.sequence && page.result && page.result.explained.pending) page.explaining.start();
      }
    }

    /** The last good result stays, dimmed; the reason stands under the text. */
    refused(sequence, why) {
      if (sequence !== this.sequence) return;
      clearTimeout(this.patience);
      this.page.root.removeAttribute("aria-busy");
      hs.title("/live", ""); // what was refused names no tab, nor a line of the browser's history
      this.page.say("error", why);
    }
  }

  Object.assign(live, { Requests, API, DEBOUNCE });
})();
