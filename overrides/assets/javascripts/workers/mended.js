// Material's search worker, named behind this file's "?", with one thing in lunr mended.
//
// lunr builds an automaton of all words and merges nodes whose text is equal. That text is every letter followed by the number
// of the node it leads to, with nothing between the two: a digit in a word reads like a part of a number, different nodes are taken
// for one, and the automaton knows words that are nowhere. A query that meets one fails and finds nothing. In these
// pages, full of names such as write_cr0, that was every query with "write" in it.
importScripts(location.search.slice(1));

lunr.TokenSet.prototype.toString = function () {
  this._str ||= [+this.final, ...Object.keys(this.edges).sort().map((letter) => `${letter}:${this.edges[letter].id}`)].join(",");
  return this._str;
};
