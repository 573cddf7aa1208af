export async function performance() {}
