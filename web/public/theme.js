// Before the first paint, so that nothing flashes: the theme that the user chose here, if any.
try {
  const theme = localStorage.getItem('picture-queue:theme');
  if (theme === 'light' || theme === 'dark') {
    document.documentElement.dataset.theme = theme;
    // The browser's own bar is of the same colour.
    for (const bar of document.querySelectorAll('meta[name=theme-color]')) {
      bar.media = bar.dataset.scheme === theme ? 'all' : 'not all';
    }
  }
} catch {
  // Storage is switched off: the system's theme it is.
}
