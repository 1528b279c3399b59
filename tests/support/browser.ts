/** Chromium without a window, with a profile that is gone when it is closed. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import puppeteer, { type Page } from 'puppeteer-core';
import { chromium } from './peers.ts';

export interface OpenBrowser {
  readonly newPage: () => Promise<Page>;
  close(): Promise<void>;
}

/**
 * @param folder - where its profile may stand meanwhile
 * @param more - arguments of Chromium's
 */
export async function openBrowser(folder: string, more: readonly string[] = []): Promise<OpenBrowser> {
  const program = (await chromium()).command('chromium');
  const profile = join(folder, 'profile');
  const browser = await puppeteer.launch({
    executablePath: program.path,
    env: { ...process.env, ...program.env },
    userDataDir: profile,
    // Tests run as root in containers, where Chromium's own sandbox cannot start.
    args: ['--no-sandbox', '--disable-dev-shm-usage', ...more],
  });
  return {
    newPage: () => browser.newPage(),
    close: async () => {
      await browser.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}
