/** As much of XMLHttpRequest as the npm package dicomweb-client uses, over `fetch`: that package is written for browsers. */

type Handler = ((event?: unknown) => void) | undefined;

class FetchedRequest {
  responseType = '';
  readyState = 0;
  status = 0;
  statusText = '';
  response: unknown;
  onreadystatechange: Handler;
  onloadstart: Handler;
  onloadend: Handler;
  #method = 'GET';
  #url = '';
  readonly #headers = new Headers();
  #answer: Response | undefined;

  open(method: string, url: string): void {
    this.#method = method;
    this.#url = url;
  }

  setRequestHeader(name: string, value: string): void {
    this.#headers.set(name, value);
  }

  getResponseHeader(name: string): string | null {
    return this.#answer?.headers.get(name) ?? null;
  }

  getAllResponseHeaders(): string {
    return [...(this.#answer?.headers ?? [])].map(([name, value]) => `${name}: ${value}\r\n`).join('');
  }

  send(body?: ArrayBuffer | string): void {
    this.onloadstart?.();
    void this.#exchange(body).finally(() => {
      this.readyState = 4;
      this.onreadystatechange?.();
      this.onloadend?.();
    });
  }

  async #exchange(body: ArrayBuffer | string | undefined): Promise<void> {
    try {
      const answer = await fetch(this.#url, {
        method: this.#method,
        headers: this.#headers,
        ...(body === undefined ? {} : { body }),
      });
      this.#answer = answer;
      const bytes = await answer.arrayBuffer();
      this.status = answer.status;
      this.statusText = answer.statusText;
      if (this.responseType === 'arraybuffer') this.response = bytes;
      else {
        const text = new TextDecoder().decode(bytes);
        this.response = this.responseType === 'json' && text !== '' ? JSON.parse(text) : text;
      }
    } catch {
      // As in a browser: status 0 is all that a script hears of a connection that failed.
      this.status = 0;
    }
  }
}

/** Makes it known under the name that the package looks for. @returns takes it away again */
export function provideXmlHttpRequest(): () => void {
  const scope = globalThis as { XMLHttpRequest?: unknown };
  scope.XMLHttpRequest = FetchedRequest;
  return () => delete scope.XMLHttpRequest;
}
