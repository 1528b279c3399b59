/** What files and objects of our making name as their maker. */
export const SOFTWARE = { name: 'imaging hub', version: '0.1.0' } as const;
