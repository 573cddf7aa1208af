// Addresses that people search for.

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;
const IPV6 = /^[0-9a-f:]*:[0-9a-f:]*$/i;

/** The text as an address of IP, whole; nothing when it is none. */
export function addressOf(text: string): string {
  const told = text.trim();
  if (IPV4.test(told)) return told;
  return IPV6.test(told) && told.split(":").length >= 3 && !told.includes(":::") ? told.toLowerCase() : "";
}
