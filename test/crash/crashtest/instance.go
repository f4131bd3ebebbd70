// Package crashtest is a town for tests of the whole: it starts the real binary with its sandbox world, drives
// its people through HTTP, kills it and starts it again, and knows what the books must say.
//
// The tour: instance.go is a process, client.go one call, town.go the people, act.go what they do and how
// an act is repeated until it is answered, model.go what must be true at the end, bank.go what bank and card issuer must say.
package crashtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/config"
)

// patience is how long anything may take that must happen at last.
const patience = 2 * time.Minute

// Build builds the binary once and returns its path.
func Build(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "feiqian")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", name, "github.com/feiqian/feiqian/cmd/feiqian")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return name
}

// Instance is one process of the platform with its bank. Its methods are for one goroutine, but for URL and
// BankURL.
type Instance struct {
	URL, BankURL string
	SMSURL       string
	IssuerURL    string
	Config       config.Config

	t       *testing.T
	binary  string
	log     string
	process *exec.Cmd
	ended   chan error
}

// NewInstance prepares a process on free ports; instances with one database and dataDir are one platform.
func NewInstance(t *testing.T, binary, database, dataDir string) *Instance {
	t.Helper()
	cfg := config.Default()
	cfg.Database, cfg.DataDir = database, dataDir
	cfg.Listen, cfg.SandboxListen, cfg.AuthorityListen = freeAddress(t), freeAddress(t), freeAddress(t)
	cfg.SandboxSMSListen, cfg.SandboxIssuerListen = freeAddress(t), freeAddress(t)
	cfg.Jurisdiction = "plain" // the people act as often as they can, by PIN, and newcomers are not verified
	i := &Instance{
		URL: "http://" + cfg.Listen, BankURL: "http://" + cfg.SandboxListen, Config: cfg,
		SMSURL: "http://" + cfg.SandboxSMSListen, IssuerURL: "http://" + cfg.SandboxIssuerListen,
		t: t, binary: binary, log: filepath.Join(t.TempDir(), "log"),
	}
	t.Cleanup(func() {
		i.Kill()
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", i.URL, tail(i.log))
		}
	})
	return i
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func tail(name string) []byte {
	const most = 6000
	text, err := os.ReadFile(name)
	if err != nil {
		return []byte(err.Error())
	}
	return text[max(0, len(text)-most):]
}

func (i *Instance) command(ctx context.Context, name string) *exec.Cmd {
	command := exec.CommandContext(ctx, i.binary, name,
		"--listen", i.Config.Listen, "--sandbox-listen", i.Config.SandboxListen,
		"--authority-listen", i.Config.AuthorityListen,
		"--database", i.Config.Database, "--data-dir", i.Config.DataDir, "--log-level", "warn",
		"--sandbox-sms-listen", i.Config.SandboxSMSListen, "--sandbox-issuer-listen", i.Config.SandboxIssuerListen,
		"--jurisdiction", i.Config.Jurisdiction)
	command.Dir = i.Config.DataDir // no settings file of the developer's is read
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	return command
}

// Start starts the process and does not wait for it to be ready.
func (i *Instance) Start() {
	i.t.Helper()
	log, err := os.OpenFile(i.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		i.t.Fatal(err)
	}
	defer log.Close() // the process has its own
	i.process = i.command(context.WithoutCancel(i.t.Context()), "serve")
	i.process.Stderr = log
	if err := i.process.Start(); err != nil {
		i.t.Fatalf("start: %v", err)
	}
	ended := make(chan error, 1)
	i.ended = ended
	go func(process *exec.Cmd) { ended <- process.Wait() }(i.process)
}

// Ready waits until the process serves.
func (i *Instance) Ready() {
	i.t.Helper()
	client := &http.Client{Timeout: time.Second}
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(10 * time.Millisecond) {
		select {
		case err := <-i.ended:
			i.ended <- err
			i.t.Fatalf("the process ended by itself: %v", err)
		default:
		}
		request, err := http.NewRequestWithContext(i.t.Context(), http.MethodGet, i.URL+"/readyz", http.NoBody)
		if err != nil {
			i.t.Fatal(err)
		}
		if response, err := client.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
	}
	i.t.Fatalf("%s is not ready after %s", i.URL, patience)
}

// Kill ends the process with SIGKILL, if it runs.
func (i *Instance) Kill() {
	if i.process == nil {
		return
	}
	if err := i.process.Process.Kill(); err != nil {
		i.t.Logf("kill: %v", err)
	}
	if err := <-i.ended; err == nil {
		i.t.Log("the process ended by itself before it was killed")
	}
	i.process = nil
}

// Stop ends the process with SIGTERM; it must end well.
func (i *Instance) Stop() {
	i.t.Helper()
	if err := i.process.Process.Signal(syscall.SIGTERM); err != nil {
		i.t.Fatalf("stop: %v", err)
	}
	select {
	case err := <-i.ended:
		if err != nil {
			i.t.Errorf("the process did not end well: %v", err)
		}
		i.process = nil
	case <-time.After(patience):
		i.t.Errorf("the process does not end after SIGTERM")
		i.Kill()
	}
}

// Verify runs `feiqian verify` on the database, whether the process runs or not.
func (i *Instance) Verify() {
	i.t.Helper()
	command := i.command(i.t.Context(), "verify")
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		i.t.Errorf("verify: %v\n%s%s", err, out, &problems)
		return
	}
	i.t.Logf("verify: %s", bytes.TrimSpace(out))
}

// String names the instance.
func (i *Instance) String() string { return fmt.Sprintf("%s on %s", i.URL, i.Config.Database) }
