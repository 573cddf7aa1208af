export async function mock() {}
