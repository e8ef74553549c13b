// Runs before the first paint: without a stored choice the system decides.
(function () {
  const root = document.documentElement;
  if (!root.dataset.themeChosen) {
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    const follow = () => { root.dataset.bsTheme = dark.matches ? "dark" : "light"; };
    follow();
    dark.addEventListener("change", follow);
  }
})();
