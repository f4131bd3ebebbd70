// Package sdk_test runs the SDKs' examples and the demo shop against a real instance: the binary, on ports of its own.
// What needs Node is skipped without it, unless FEIQIAN_TEST_NODE says that it must be there, as `make test` does.
package sdk_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/app"
	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
	"github.com/feiqian/feiqian/test/crash/crashtest"
)

const root = "../.."

func start(t *testing.T) *platform {
	t.Helper()
	instance := crashtest.NewInstance(t, crashtest.Build(t), sqldbtest.URL(t, "sqlite"), t.TempDir())
	instance.Start()
	instance.Ready()
	world, err := app.LoadWorld(instance.Config)
	if err != nil {
		t.Fatal(err)
	}
	return &platform{Instance: instance, world: world}
}

// TestExamples does what docs/integrate.md tells a stranger to do.
func TestExamples(t *testing.T) {
	t.Parallel()
	on := start(t)
	who := on.signIn(t)
	dir := t.TempDir()
	for _, name := range []string{"sell", "till", "house"} {
		build(t, filepath.Join(dir, name), "github.com/feiqian/feiqian/sdk/go/examples/"+name)
	}
	//nolint:paralleltest // one payer: one after the other
	for name, play := range map[string]func(*testing.T){
		"Go/Sell":    func(t *testing.T) { sells(t, who, filepath.Join(dir, "sell")) },
		"Go/Till":    func(t *testing.T) { charges(t, who, filepath.Join(dir, "till")) },
		"Node/Sell":  func(t *testing.T) { sells(t, who, node(t), "sdk/js/examples/sell.js") },
		"Node/Till":  func(t *testing.T) { charges(t, who, node(t), "sdk/js/examples/till.js") },
		"Go/House":   func(t *testing.T) { setsUp(t, who, filepath.Join(dir, "house")) },
		"Node/House": func(t *testing.T) { setsUp(t, who, node(t), "sdk/js/examples/house.js") },
		"Shop":       func(t *testing.T) { shops(t, who) },
	} {
		t.Run(name, play)
	}
}

func build(t *testing.T, to, what string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", to, what).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", what, err, out)
	}
}

// node returns the program where it is there and the SDK is built.
func node(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(root + "/sdk/js/dist/index.js")
	}
	if err != nil {
		if os.Getenv("FEIQIAN_TEST_NODE") != "" {
			t.Fatalf("%v: install Node 20.3 or later and run `npm ci && npm run build` in sdk/js", err)
		}
		t.Skipf("%v: run the tests with `make test`", err)
	}
	return program
}

// example is a program that calls the instance as the world's first merchant.
func example(t *testing.T, who *payer, program string, arguments ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	t.Cleanup(cancel)
	command := exec.CommandContext(ctx, program, arguments...)
	command.Dir, command.Stderr = root, os.Stderr
	command.Env = append(os.Environ(), "FEIQIAN_URL="+who.on.URL, "FEIQIAN_KEY="+who.on.world.Merchants[0].Key)
	return command
}

// sells runs an example that makes a payment, which the payer then confirms.
func sells(t *testing.T, who *payer, program string, arguments ...string) {
	t.Helper()
	command := example(t, who, program, arguments...)
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "created pay_") {
		t.Fatalf("it says %q", lines.Text())
	}
	who.confirm(strings.TrimPrefix(lines.Text(), "created "))
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	if err := command.Wait(); err != nil || strings.Join(said, "; ") != "succeeded 1999 CNY; refund succeeded 500" {
		t.Errorf("it says %q and ends with %v", said, err)
	}
}

// charges runs an example with a payer's code, and with the same one again.
func charges(t *testing.T, who *payer, program string, arguments ...string) {
	t.Helper()
	code := who.code()
	for _, want := range []string{"succeeded", "ask for a fresh code: wallet.code_used"} {
		said, err := example(t, who, program, append(arguments, code)...).Output()
		if err != nil || strings.TrimSpace(string(said)) != want {
			t.Errorf("%q, %v; want %q", said, err, want)
		}
	}
}

// setsUp runs an example that makes what a merchant sets up once, and takes it back.
func setsUp(t *testing.T, who *payer, program string, arguments ...string) {
	t.Helper()
	said, err := example(t, who, program, append(arguments, who.on.world.Merchants[1].ID)...).Output()
	want := "made link active code active <svg\nlisted\ntaken back link disabled code disabled\nwebhook enabled unreachable\n" +
		"rules review 50000 [http://localhost:3000]\n"
	if err != nil || string(said) != want {
		t.Errorf("it says %q and ends with %v; want %q", said, err, want)
	}
}

// fetch reads a page.
func fetch(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
