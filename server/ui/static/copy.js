// Text to the clipboard.

export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // without TLS browsers offer no clipboard: select the text in a field and let them copy that
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}
