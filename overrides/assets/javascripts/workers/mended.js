// Material's search worker, named behind this file's "?", with two things mended.
//
// What a reader types is a query in lunr's language, in which "-" in front of a word means "without it", "+" "with it", and "~", "^" and
// ":" have meanings of their own. Readers of these pages mean options: "-smp" found every page without it, "-cpu max" those that name no
// processor. So nothing of it reaches lunr but the words, quotes around several, and "*". The worker's own listener is given what is left.
const listen = self.addEventListener;
const words = (typed) => typed.replace(/[~^:]+/g, " ").replace(/(^|[\s"+-])[+-]+/g, "$1");
self.addEventListener = (type, told) =>
  listen.call(self, type, ({ data }) => told({ data: typeof data.data === "string" ? { ...data, data: words(data.data) } : data }));

importScripts(location.search.slice(1));

// lunr builds an automaton of all words and merges nodes whose text is equal. That text is every letter followed by the number
// of the node it leads to, with nothing between the two: a digit in a word reads like a part of a number, different nodes are taken
// for one, and the automaton knows words that are nowhere. A query that meets one fails and finds nothing. In these
// pages, full of names such as write_cr0, that was every query with "write" in it.
lunr.TokenSet.prototype.toString = function () {
  this._str ||= [+this.final, ...Object.keys(this.edges).sort().map((letter) => `${letter}:${this.edges[letter].id}`)].join(",");
  return this._str;
};
