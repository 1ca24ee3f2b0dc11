// Every page and state that is looked at. To add one, add it here: a path, the states of the service in which it is
// looked at, and perhaps what to do first (`prepare`, with a Playwright page at `path`; it may return a name for what is
// then seen). `pictures: false` keeps no picture.

export const languages = [
  { name: "ja", prefix: "", lang: "ja" },
  { name: "easy", prefix: "/easy", lang: "ja" },
  { name: "en", prefix: "/en", lang: "en" },
];

export const pages = [
  { name: "start", path: "/" },
  { name: "about", path: "/about" },
  { name: "guide-operators", path: "/guide/operators" },
  { name: "guide-visitors", path: "/guide/visitors" },
  { name: "faq", path: "/faq" },
  { name: "contact", path: "/contact" },
  { name: "not-found", path: "/no-such-page", status: 404, pictures: false },
  { name: "start-suspended", path: "/", service: "suspended" },
  { name: "faq-suspended", path: "/faq", service: "suspended", pictures: false },
  { name: "closed", path: "/register", service: "suspended", status: 503 },
];

// How each is looked at. 200 % zoom of a window is half its width in CSS pixels, twice as dense. `largeText` is a
// browser whose letters are twice as large.
export const views = [
  { name: "375", width: 375 },
  { name: "768", width: 768 },
  { name: "1280", width: 1280 },
  { name: "375 forced colours", width: 375, forcedColors: "active" },
  { name: "768 forced colours", width: 768, forcedColors: "active" },
  { name: "1280 forced colours", width: 1280, forcedColors: "active" },
  { name: "768 at 200 %", width: 384, density: 2 },
  { name: "1280 at 200 %", width: 640, density: 2 },
  { name: "375 large text", width: 375, largeText: true },
];
