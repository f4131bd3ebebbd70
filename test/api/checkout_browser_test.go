package api_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/feiqian/feiqian/internal/party"
	"github.com/feiqian/feiqian/internal/qr"
	"github.com/feiqian/feiqian/internal/sandbox/smsc"
)

// tab opens another tab with a screen of its own.
func (b browser) tab(t *testing.T, width, height int64) browser {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(b.ctx)
	t.Cleanup(closeTab)
	must(t, chromedp.Do(ctx, chromedp.EmulateViewport(width, height)))
	return browser{ctx}
}

func (b browser) do(t *testing.T, what string, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 60*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.shoot(t, "failed")
		t.Fatalf("%s: %v", what, err)
	}
}

// shoot keeps a picture of the page where FEIQIAN_TEST_SCREENSHOTS names a folder, for people to look at.
func (b browser) shoot(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("FEIQIAN_TEST_SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600))
}

// says waits until a page has a text.
func (b browser) says(t *testing.T, text string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		shown, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body ? document.body.innerText : ''"))
		if err == nil && strings.Contains(shown, text) {
			return
		}
		if time.Now().After(deadline) {
			b.shoot(t, "failed")
			t.Fatalf("the page does not say %q (%v): %s", text, err, shown)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// codesSent counts the codes that a phone got; it gets other texts too.
func (w *world) codesSent(p person) (n int) {
	for _, text := range w.sms.Inbox(p.phone) {
		if smsc.CodeIn(text.Text) != "" {
			n++
		}
	}
	return n
}

// signIn fills the page's form as a new device does: password, then the code of the text message.
func (b browser) signIn(t *testing.T, w *world, p person) {
	t.Helper()
	known := w.codesSent(p)
	b.do(t, "sign in", chromedp.SendKeys(chromedp.CSS("#phone"), p.phone),
		chromedp.SendKeys(chromedp.CSS("#password"), password), chromedp.Click(chromedp.CSS("#enter-do")),
		chromedp.WaitVisible(chromedp.CSS("#enter-code")))
	b.shoot(t, "code")
	b.do(t, "enter the code", chromedp.SendKeys(chromedp.CSS("#enter-code"), w.textCode(t, p.phone, known)),
		chromedp.Click(chromedp.CSS("#enter-do")), chromedp.WaitVisible(chromedp.CSS("#pin")))
}

// fits fails where a page is wider than its screen.
func (b browser) fits(t *testing.T, what string) {
	t.Helper()
	over, err := chromedp.Run(b.ctx, chromedp.Evaluate[int64]("document.documentElement.scrollWidth - innerWidth"))
	must(t, err)
	if over > 0 {
		t.Errorf("%s is %d pixels wider than the screen", what, over)
	}
}

// TestCheckoutInBrowsers pays in a real browser: the desktop shows the code, the phone opens what the code says, signs in
// and pays; the desktop learns it by itself.
func TestCheckoutInBrowsers(t *testing.T) {
	t.Parallel()
	w := start(t, "sqlite")
	payer, shop := w.person(t, 300_000), w.shop(t, party.NewMerchant{FeeBps: 60})
	b := w.browse(t)
	made := w.checkout(t, shop, map[string]any{
		"amount": 12_800, "description": "明前龙井 250 克", "return_url": w.Codes.Origin + "/healthz",
	})
	desktop, phone := b.tab(t, 1280, 800), b.tab(t, 360, 740)
	desktop.do(t, "open the page", chromedp.Navigate(made.URL+"&lang=zh"))
	desktop.says(t, "手机扫码")
	desktop.fits(t, "the desktop's page")
	desktop.shoot(t, "desktop-open")
	// Drawn four times as large, so that a module is as good as a whole number of pixels.
	desktop.do(t, "look closely", chromedp.EmulateViewport(1280, 800, chromedp.EmulateScale(4)))
	picture, err := chromedp.Run(desktop.ctx, chromedp.Screenshot(chromedp.CSS(".code svg")))
	must(t, err)
	desktop.do(t, "look as before", chromedp.EmulateViewport(1280, 800))
	scanned := readPicture(t, picture)
	if !strings.HasPrefix(scanned, w.Codes.Origin+"/q/") {
		t.Fatalf("the code on the desktop says %s", scanned)
	}
	phone.do(t, "open what the code says", chromedp.Navigate(scanned+"?lang=en"))
	phone.says(t, "Wallet balance")
	phone.fits(t, "the phone's page")
	phone.shoot(t, "phone-open")
	phone.do(
		t,
		"open the balance",
		chromedp.Evaluate[chromedp.Void](`void(document.querySelector('[data-method=balance]').open = true)`),
	)
	phone.signIn(t, w, payer)
	phone.says(t, "payable: ¥1000.00") // of 3000: with the PIN alone, the day's limit
	phone.shoot(t, "phone-signed-in")
	phone.fits(t, "the phone's page with a form")
	phone.do(t, "a wrong PIN", chromedp.SendKeys(chromedp.CSS("#pin"), "111222"), chromedp.Click(chromedp.CSS("#pay-do")))
	phone.says(t, "The payment PIN is wrong")
	phone.do(t, "the right PIN", chromedp.SendKeys(chromedp.CSS("#pin"), pin), chromedp.Click(chromedp.CSS("#pay-do")))
	phone.says(t, "Paid")
	phone.shoot(t, "phone-paid")
	desktop.says(t, "付款成功") // nobody touched it
	desktop.shoot(t, "desktop-paid")

	// Above 500 CNY a new device needs a code too; above what a page can show, it says so.
	large := w.checkout(t, shop, map[string]any{"amount": 60_000, "description": "Tea set"})
	phone.do(t, "open the page", chromedp.Navigate(large.URL+"&lang=zh"),
		chromedp.WaitVisible(chromedp.CSS("#second")))
	known := w.codesSent(payer)
	phone.do(t, "send the code", chromedp.Click(chromedp.CSS("#send")))
	phone.says(t, "验证码已发送")
	code := w.textCode(t, payer.phone, known)
	phone.shoot(t, "phone-second-factor")
	phone.do(
		t,
		"pay with it",
		chromedp.SendKeys(chromedp.CSS("#pin"), pin),
		chromedp.SendKeys(chromedp.CSS("#code"), code),
		chromedp.Click(chromedp.CSS("#pay-do")),
	)
	phone.says(t, "付款成功")

	var printed qr.Code
	w.made(t, "/v1/qr_codes", shop.token, map[string]any{"description": "散客"}, &printed)
	phone.do(
		t,
		"open a printed code",
		chromedp.Navigate(printed.URL+"?lang=zh"),
		chromedp.WaitVisible(chromedp.CSS("#pin")),
	)
	phone.shoot(t, "phone-printed-code")
	phone.fits(t, "the page of a printed code")
	phone.do(t, "pay it", chromedp.SendKeys(chromedp.CSS("#ask"), "8,5"), chromedp.SendKeys(chromedp.CSS("#pin"), pin),
		chromedp.Click(chromedp.CSS("#pay-do")))
	phone.says(t, "付款成功")
	phone.says(t, "¥8.50")
	phone.shoot(t, "phone-printed-paid")
	w.agree(t)
}
