package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/feiqian/feiqian/internal/api"
)

// browser is a real Chromium with a virtual authenticator that has a finger at hand (CDP domain WebAuthn).
type browser struct{ ctx context.Context } //nolint:containedctx // chromedp keeps a tab in a context

// chromium returns the program, or skips the test; `make test` installs it and then demands it.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("FEIQIAN_TEST_CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil && name != "" {
			return path
		}
	}
	if os.Getenv("FEIQIAN_TEST_CHROMIUM") != "" {
		t.Fatal("FEIQIAN_TEST_CHROMIUM names no program: run the tests with `make test`")
	}
	t.Skip("no Chromium: run the tests with `make test`")
	return ""
}

// browse opens a page of the instance, where its passkeys are known: they belong to localhost, not to 127.0.0.1.
func (w *world) browse(t *testing.T) browser {
	t.Helper()
	// Background work of a browser asks the network for things that a test has no use for.
	options := append(
		chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("no-first-run", true),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	page := "http://localhost" + w.url[strings.LastIndex(w.url, ":"):] + "/healthz"
	must(t, chromedp.Do(ctx, chromedp.Navigate(page), chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		if _, err := cdp.Call(ctx, tab, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, tab, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
			Options: &webauthn.VirtualAuthenticatorOptions{
				Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
				HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
			},
		})
		return err
	})))
	return browser{ctx}
}

// ask runs what a page would, with ask as it came from the API, and returns the credential as JSON.
func (b browser) ask(t *testing.T, script string, ask api.PasskeyAsk) string {
	t.Helper()
	told, err := json.Marshal(ask)
	must(t, err)
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	answer, err := chromedp.Run(ctx, chromedp.Evaluate[string](
		fmt.Sprintf("(async (ask) => { %s })(%s)", script, told), chromedp.EvalAwaitPromise))
	must(t, err)
	return answer
}

func (b browser) create(t *testing.T, ask api.PasskeyAsk) string {
	t.Helper()
	return b.ask(t, `
		const id = btoa(ask.user_id).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
		const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON({
			challenge: ask.challenge, rp: {id: ask.rp_id, name: "Feiqian"}, user: {id, name: "payer", displayName: "Payer"},
			pubKeyCredParams: ask.algorithms.map((alg) => ({type: "public-key", alg})),
			authenticatorSelection: {residentKey: "required", userVerification: "required"},
			excludeCredentials: ask.credential_ids.map((id) => ({type: "public-key", id})),
		});
		return JSON.stringify(await navigator.credentials.create({publicKey}));`, ask)
}

func (b browser) get(t *testing.T, ask api.PasskeyAsk) string {
	t.Helper()
	return b.ask(t, `
		const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON({
			challenge: ask.challenge, rpId: ask.rp_id, userVerification: "required",
			allowCredentials: ask.credential_ids.map((id) => ({type: "public-key", id})),
		});
		return JSON.stringify(await navigator.credentials.get({publicKey}));`, ask)
}
