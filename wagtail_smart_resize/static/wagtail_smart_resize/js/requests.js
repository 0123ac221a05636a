/*
 * What the controllers of this app share: requests to the server, and the messages that follow.
 *
 * The server answers with JSON that holds a text for people and, for a decision that can be undone,
 * how. A form that it does not accept comes back as HTML with the status 422.
 */
(() => {
  const { CSRF_HEADER_NAME: csrfHeader, CSRF_TOKEN: csrfToken } = window.wagtailConfig;

  // With this header Wagtail answers with a status instead of a redirect to its login.
  const headers = { 'X-Requested-With': 'XMLHttpRequest' };

  function tell(name, detail) {
    document.dispatchEvent(new CustomEvent(name, { detail }));
  }

  function warn(text) {
    tell('w-messages:add', { clear: true, text, type: 'error' });
  }

  async function get(url, signal) {
    return fetch(url, { headers, signal });
  }

  /** POST fields, or a form with the button that was pressed; return the response. */
  async function post(url, body) {
    return fetch(url, { body, headers: { ...headers, [csrfHeader]: csrfToken }, method: 'POST' });
  }

  /** POST what a form says and tell what came of it; return the answer, or null if it was refused. */
  async function act(url, body) {
    let response = null;
    let answer = {};
    try {
      response = await post(url, body);
      answer = await response.json();
    } catch {
      // Told below: no connection, or no answer of ours.
    }
    if (!response?.ok) {
      warn(answer.text || `HTTP ${response?.status ?? 0}`);
      return null;
    }
    if (answer.undo) tell('smart-resize:decided', answer);
    else if (answer.text) tell('w-messages:add', { clear: true, text: answer.text, type: 'success' });
    tell('smart-resize:changed');
    return answer;
  }

  function fieldsOf(form, button) {
    const fields = new FormData(form);
    if (button?.name) fields.set(button.name, button.value);
    return fields;
  }

  /** Send a form of one button as a script would; return the answer, or null. */
  async function send(event) {
    const { submitter, target } = event;
    event.preventDefault();
    if (target.dataset.sending) return null;
    target.dataset.sending = 'true';
    const url = submitter?.getAttribute('formaction') || target.getAttribute('action');
    const answer = await act(url, fieldsOf(target, submitter));
    delete target.dataset.sending;
    return answer;
  }

  window.smartResize = { act, fieldsOf, get, post, send, tell, warn };
})();
