// Keeps a browser's session alive while a page is looked at. What the session is made of lasts for minutes, in a cookie
// that no script can read; beside it is one that says until when, for as long as the session can be renewed.
"use strict";

window.keaSession = (() => {
  const AHEAD_SECONDS = 60; // renewed that long before it ends
  const LOOK_SECONDS = 15; // between two looks, at most; also before a renewal that has failed is tried again
  const RELOADED = "kea.reloaded";
  const known = document.querySelector("form.session") !== null; // the page was made for somebody who had logged in

  let skew = 0; // what this computer's clock is ahead of the server's, as renewals tell
  let seen = false; // whether there was a session since this page was opened
  let refused = null; // the expiry of a session that cannot be renewed any more
  let renewing = null;

  const now = () => Date.now() / 1000 - skew;

  const expires = () => {
    const found = document.cookie.match(/(?:^|;\s*)kea_session_expires=(\d+)/);
    return found ? Number(found[1]) : null;
  };

  const left = () => {
    const at = expires();
    return at === null || at === refused ? Infinity : at - AHEAD_SECONDS - now();
  };

  // All else stays as it is: what somebody has typed here is not lost.
  const showOver = () => {
    if (known) {
      document.querySelector("form.session").hidden = true;
      document.getElementById("session-over").hidden = false;
    }
  };

  const ask = async () => {
    const before = expires();
    const answer = await fetch("/login/renew", { method: "POST", headers: { accept: "application/json" } });
    if (answer.status === 401) {
      refused = before;
      showOver();
    }
    if (answer.ok && expires() !== null) {
      skew = Date.now() / 1000 + (await answer.json()).expires_in - expires();
    }
    return answer.ok;
  };

  const renew = () => {
    renewing ??= (async () => {
      // Tabs share the cookies: while one renews them the others wait, and find that it is done.
      const before = expires();
      const turn = () => (expires() === before ? ask() : true);
      try {
        return await (navigator.locks ? navigator.locks.request("kea.session", turn) : turn());
      } catch {
        return false; // the gateway is not reached; the next look tries again
      } finally {
        renewing = null;
      }
    })();
    return renewing;
  };

  const fresh = async () => {
    if (left() <= 0) {
      await renew();
    }
  };

  const look = async () => {
    if (document.visibilityState !== "visible") {
      return;
    }
    if (expires() !== null) {
      seen = true;
    } else if (seen) {
      showOver();
    }
    await fresh();
  };

  const watch = async () => {
    await look();
    const wait = left();
    setTimeout(watch, 1000 * (wait > 0 ? Math.min(wait, LOOK_SECONDS) : LOOK_SECONDS));
  };

  // The page was made for nobody, while there is a session: it is made anew, and once only, whatever it then is.
  const meet = async () => {
    const since = Date.now() - Number(sessionStorage.getItem(RELOADED));
    if (known || expires() === null || Math.abs(since) < 1000 * AHEAD_SECONDS) {
      return;
    }
    if (await renew()) {
      sessionStorage.setItem(RELOADED, String(Date.now()));
      location.reload();
    }
  };

  document.addEventListener("visibilitychange", look);
  meet();
  watch();
  return { fresh };
})();
