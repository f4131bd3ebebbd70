//go:build sim

package sim_test

import (
	"database/sql"
	"math/rand/v2"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // for the connection that ends the others

	"github.com/feiqian/feiqian/internal/sqldb/sqldbtest"
	"github.com/feiqian/feiqian/test/crash/crashtest"
)

const (
	troubles   = 150
	clockMoves = 6
	actorPause = 40 * time.Millisecond
	quiet      = 5 * time.Second // more than an order is on its way to the bank
)

// TestSimTown lets a town work on one instance with SQLite, and on two instances with one PostgreSQL.
func TestSimTown(t *testing.T) {
	t.Parallel()
	binary := crashtest.Build(t)
	for engine, instances := range map[string]int{"sqlite": 1, "postgres": 2} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			database, dataDir := sqldbtest.URL(t, engine), t.TempDir()
			s := &simulation{t: t, seed: crashtest.SeedOf(t)}
			s.random = rand.New(rand.NewPCG(s.seed, 0))
			for range instances {
				instance := crashtest.NewInstance(t, binary, database, dataDir)
				instance.Start()
				instance.Ready()
				s.instances = append(s.instances, instance)
			}
			if engine == "postgres" {
				admin, err := sql.Open("pgx", database)
				if err != nil {
					t.Fatal(err)
				}
				admin.SetMaxOpenConns(1)
				defer admin.Close()
				s.admin = admin
			}
			s.run()
		})
	}
}

type simulation struct {
	t         *testing.T
	seed      uint64
	random    *rand.Rand
	instances []*crashtest.Instance
	town      *crashtest.Town
	admin     *sql.DB // PostgreSQL only
}

func (s *simulation) upTo(most time.Duration) time.Duration {
	return time.Duration(s.random.Int64N(int64(most)))
}

// run is two stages. While processes are killed the clock runs as it does; when it jumps no order may be under way,
// since an order that takes longer than the grace of the channel is given up.
func (s *simulation) run() {
	s.t.Helper()
	s.town = crashtest.NewTown(s.t, s.seed, s.instances...)
	s.town.Faulty = true
	stop := s.town.Load(actorPause)
	for range troubles {
		time.Sleep(s.upTo(time.Second))
		s.trouble()
	}
	s.town.SetFaults(crashtest.Faults{})
	stop()
	for range clockMoves {
		time.Sleep(quiet)
		s.town.Advance(time.Second + s.upTo(20*time.Minute))
		stop := s.town.Load(actorPause)
		time.Sleep(s.upTo(5 * time.Second))
		stop()
		time.Sleep(quiet)
		if i := s.random.IntN(len(s.instances)); s.random.IntN(2) == 0 {
			s.instances[i].Stop()
			s.instances[i].Start()
			s.instances[i].Ready()
		}
	}
	s.town.Check()
	for _, instance := range s.instances {
		instance.Stop()
	}
	s.instances[0].Verify()
}

// trouble is one thing that goes wrong, by chance.
func (s *simulation) trouble() {
	s.t.Helper()
	i := s.random.IntN(len(s.instances))
	switch s.random.IntN(6) {
	case 0, 1:
		s.instances[i].Kill()
		time.Sleep(s.upTo(500 * time.Millisecond))
		s.instances[i].Start()
		s.instances[i].Ready()
	case 2:
		s.instances[i].Stop()
		s.instances[i].Start()
		s.instances[i].Ready()
	case 3:
		s.town.SetFaults(crashtest.Faults{LatencyMS: s.random.IntN(1500)})
	case 4:
		s.town.SetFaults(crashtest.Faults{DropBefore: s.random.IntN(20), DropAfter: s.random.IntN(20)})
	case 5:
		if s.admin == nil {
			return
		}
		if _, err := s.admin.ExecContext(s.t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE application_name = 'feiqian-writer' AND datname = current_database()`); err != nil {
			s.t.Error(err)
		}
	}
}
