package bench

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/feiqian/feiqian/internal/id"
)

// place is a fresh database and data folder, gone after the run.
type place struct {
	dir    string
	url    string
	engine string
	drop   func()
}

func newPlace(ctx context.Context, source string) (*place, error) {
	dir, err := os.MkdirTemp("", "feiqian-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the bench: %w", err)
	}
	p := &place{dir: dir, engine: "sqlite", url: "sqlite:" + filepath.Join(dir, "feiqian.db"), drop: func() {}}
	if strings.HasPrefix(source, "sqlite") {
		return p, nil
	}
	p.engine = "postgres"
	u, err := url.Parse(source)
	if err != nil {
		return nil, errors.New("the database URL is not understood; write postgres://user@host:port/name")
	}
	admin, err := sql.Open("pgx", source)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	name := "bench_" + strings.TrimPrefix(string(id.New[id.Group](time.Now())), "grp_")
	if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return nil, fmt.Errorf("make a fresh database: %w", err)
	}
	p.drop = func() {
		_, _ = admin.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		_ = admin.Close()
	}
	u.Path = "/" + name
	p.url = u.String()
	return p, nil
}

func (p *place) close() {
	p.drop()
	_ = os.RemoveAll(p.dir)
}

// server is the measured process.
type server struct {
	process  *exec.Cmd
	address  string
	bank     string
	postgres int // process id of PostgreSQL's postmaster, 0 for none
	once     sync.Once
}

// startServer runs this very binary as a server on the place.
func startServer(ctx context.Context, p *place, profile string) (*server, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	listen, bank, err := freePorts(ctx)
	if err != nil {
		return nil, err
	}
	process := exec.CommandContext(ctx, program, //nolint:gosec // this very program
		"serve", "--listen", listen, "--sandbox-listen", bank, "--authority-listen", "127.0.0.1:0",
		"--sandbox-sms-listen", "127.0.0.1:0", "--sandbox-issuer-listen", "127.0.0.1:0",
		// Rates are counted as ever; but one client here is as fast as thousands of phones.
		"--data-dir", p.dir, "--database", p.url, "--rate-factor", "1000", "--log-level", "ERROR", "--cpu-profile", profile)
	process.Stderr = os.Stderr
	process.Cancel = func() error { return process.Process.Signal(syscall.SIGTERM) }
	if err := process.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	s := &server{process: process, address: listen, bank: bank}
	if p.engine == "postgres" {
		s.postgres = postmasterOf(ctx, p.url)
	}
	for range 300 {
		if s.ready(ctx) {
			return s, nil
		}
		sleep(ctx, 100*time.Millisecond)
	}
	s.stop()
	return nil, fmt.Errorf("the server on %s did not become ready", listen)
}

func (s *server) ready(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func (s *server) stop() {
	s.once.Do(func() {
		_ = s.process.Process.Signal(syscall.SIGTERM)
		_ = s.process.Wait()
	})
}

func freePorts(ctx context.Context) (one, two string, err error) {
	var listen net.ListenConfig
	for _, out := range []*string{&one, &two} {
		listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", fmt.Errorf("find a free port: %w", err)
		}
		defer listener.Close()
		*out = listener.Addr().String()
	}
	return one, two, nil
}

// postmasterOf asks PostgreSQL for the process id of its first process, where it runs on this machine.
func postmasterOf(ctx context.Context, source string) int {
	db, err := sql.Open("pgx", source)
	if err != nil {
		return 0
	}
	defer db.Close()
	var backend int
	if err := db.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		return 0
	}
	stat, err := readStat(backend)
	if err != nil {
		return 0
	}
	return stat.parent
}

// usage is processor time so far, in seconds.
type usage struct {
	server, database, clients float64
	memoryMiB                 float64
}

func (s *server) usage() usage {
	var u usage
	if stat, err := readStat(s.process.Process.Pid); err == nil {
		u.server, u.memoryMiB = stat.seconds, stat.memoryMiB
	}
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err == nil {
		u.clients = time.Duration(own.Utime.Nano() + own.Stime.Nano()).Seconds()
	}
	if s.postgres == 0 {
		return u
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return u
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if stat, err := readStat(pid); err == nil && (stat.parent == s.postgres || pid == s.postgres) {
			u.database += stat.seconds
		}
	}
	return u
}

type procStat struct {
	parent    int
	seconds   float64
	memoryMiB float64
}

const (
	ticksPerSecond = 100 // USER_HZ of Linux, proc(5)
	pageSize       = 4096
	mebibyte       = 1 << 20
)

// readStat reads /proc/PID/stat (proc(5)): parent, processor time with that of children waited for, resident memory.
func readStat(pid int) (procStat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return procStat{}, err
	}
	_, rest, ok := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 22 {
		return procStat{}, fmt.Errorf("/proc/%d/stat is not understood", pid)
	}
	number := func(i int) float64 {
		n, _ := strconv.ParseFloat(fields[i-3], 64) // fields are numbered from 1, and two are cut off
		return n
	}
	return procStat{
		parent:    int(number(4)),
		seconds:   (number(14) + number(15)) / ticksPerSecond,
		memoryMiB: number(24) * pageSize / mebibyte,
	}, nil
}

func cpuOf(before, after usage, elapsed time.Duration, payments int64) CPU {
	share := func(seconds float64) Share {
		s := Share{Cores: seconds / elapsed.Seconds()}
		if payments > 0 {
			s.MicrosPerAct = seconds * 1e6 / float64(payments)
		}
		return s
	}
	return CPU{
		Server: share(after.server - before.server), Database: share(after.database - before.database),
		Clients: share(after.clients - before.clients),
	}
}

type groupCount struct{ groups, decisions float64 }

// groups reads the committer's metrics from /metrics.
func (s *server) groups(ctx context.Context) groupCount {
	var out groupCount
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+"/metrics", http.NoBody)
	if err != nil {
		return out
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return out
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		switch name {
		case "feiqian_commit_group_size_count":
			out.groups = n
		case "feiqian_commit_group_size_sum":
			out.decisions = n
		}
	}
	return out
}
