// What a person has typed into the forms, before it becomes words of a command.

// Why the fields of a form cannot be words; `undefined` if they can. A space makes two words of one. The server cannot
// know which of them was meant, so its complaint would be about another word.
export function complaint({ elements: { client, location } }) {
  const isWord = (field) => /^\S+$/.test(field.value.trim());
  if (!isWord(client)) return "A client's name is one word, without spaces.";
  if (location && !isWord(location)) return "A location is one word, without spaces, such as +34.068930-118.445127.";
  return undefined;
}
