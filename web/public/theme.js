// Before the first paint, so that nothing flashes: the theme that the user chose here, if any.
try {
  const theme = localStorage.getItem('picture-queue:theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is switched off: the system's theme it is.
}
