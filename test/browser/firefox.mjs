// Firefox as Debian has it, by WebDriver BiDi. Playwright's own client of BiDi wants a newer one; Puppeteer's drives it.
import puppeteer from 'puppeteer-core';

const executablePath = process.env.TEST_FIREFOX || '/usr/bin/firefox-esr';

/**
 * A Firefox of its own for each person, since a tab that isn't in front draws nothing and reads nothing; what went wrong in
 * its page is in `errors`.
 */
export async function openFirefox(origin) {
  const browser = await puppeteer.launch({ browser: 'firefox', executablePath, headless: true });
  const page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  await page.setViewport({ width: 1200, height: 780 });
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error.stack)));
  await page.goto(origin);
  return { browser, page, errors };
}

export async function signInFirefox(page, { username, password }) {
  await page.locator('#username').fill(username);
  await page.locator('#password').fill(password);
  await page.locator('button.primary').click();
  await page.waitForSelector('#search');
}

export async function write(page, text) {
  await page.locator('.composer textarea').fill(text);
  await page.locator('.composer .send').click();
}

/** Opens the conversation with somebody, by the list or the search. */
export async function meet(page, name) {
  await page.locator('#search').fill(name);
  await page.locator(`a.conversation ::-p-text(${name})`).click();
  await page.waitForSelector('.composer textarea');
}

/** Waits until a message has come as far as that; without a state, until it is there. */
export const come = (page, text, state = '') =>
  page.waitForFunction(
    (wanted, how) =>
      [...document.querySelectorAll('.row')].some(
        (row) =>
          row.querySelector('.text')?.textContent === wanted && (!how || row.querySelector(`.fate.${how}`)),
      ),
    {},
    text,
    state,
  );
