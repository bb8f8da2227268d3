/* headscope.menus: menus that close when another place is clicked, dialogs, messages, the width of the navigation. */
(function () {
  "use strict";
  const hs = (window.headscope = window.headscope || {});

  /** Close all menus but one. */
  function close(except) {
    document.querySelectorAll("details.hs-menu[open]").forEach((menu) => {
      if (menu !== except) menu.removeAttribute("open");
    });
  }

  function help() {
    const dialog = document.getElementById("shell-help");
    if (!dialog.open) dialog.showModal();
    return true;
  }

  document.addEventListener("click", (event) => {
    const target = event.target.closest("button, a, summary");
    close(event.target.closest("details.hs-menu"));
    if (!target) return;
    if (target.closest(".hs-menu-list")) close();
    if (target.dataset.close === "dialog") target.closest("dialog").close();
    if (target.dataset.close === "toast") target.closest(".hs-toast").hidden = true;
    if (target.id === "shell-help-button") help();
    if (target.id === "shell-nav-toggle")
      hs.stored.set("headscope-nav", document.documentElement.classList.toggle("hs-narrow") ? "narrow" : "wide");
  });

  hs.menus = { close, help };
})();
