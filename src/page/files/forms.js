// What a person has typed into the forms, before it becomes words of a command; and what comes of it.

// Why the fields of a form cannot be words; `undefined` if they can. A space makes two words of one. The server cannot
// know which of them was meant, so its complaint would be about another word.
export function complaint({ elements: { client, location } }) {
  const isWord = (field) => /^\S+$/.test(field.value.trim());
  if (!isWord(client)) return "A client's name is one word, without spaces.";
  if (location && !isWord(location)) return "A location is one word, without spaces, such as +34.068930-118.445127.";
  return undefined;
}

// What a server has told in answer to a command. What stands between may answer for it: a proxy, or the check of where a
// request comes from.
export async function toldBy(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text);
  } catch {
    return { error: `${answer.status}: ${text.trim().slice(0, 200) || answer.statusText}` };
  }
}
