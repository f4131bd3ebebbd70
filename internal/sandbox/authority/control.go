package authority

import (
	"net/http"
	"slices"

	"github.com/feiqian/feiqian/internal/sandbox"
)

func (s *Server) controlRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /control/people", func(w http.ResponseWriter, _ *http.Request) {
		sandbox.Write(w, http.StatusOK, map[string]any{"people": s.People()})
	})
	mux.HandleFunc("POST /control/people", s.controlRegister)
	mux.HandleFunc("POST /control/faults", s.controlFaults)
	mux.HandleFunc("GET /control/magic_documents", func(w http.ResponseWriter, _ *http.Request) {
		sandbox.Write(w, http.StatusOK, MagicDocuments())
	})
	mux.HandleFunc("GET /control/deposits/{account}", s.controlDeposits)
}

// People returns everybody whom the parties know.
func (s *Server) People() []Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.state.People)
}

// AddPerson registers a person; one with the same document takes the place of the former. Errors: a person without name
// or document.
func (s *Server) AddPerson(p Person) error {
	if err := p.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.People = slices.DeleteFunc(s.state.People, func(other Person) bool {
		return other.Kind == p.Kind && other.Country == p.Country && other.Number == p.Number
	})
	s.state.People = append(s.state.People, p)
	return s.save()
}

// SetFaults replaces the troubles of the channels.
func (s *Server) SetFaults(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = slices.Clone(faults)
}

// Asked returns how often a reference was asked on a channel.
func (s *Server) Asked(channel, reference string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[channel+"/"+reference]
}

func (s *Server) controlRegister(w http.ResponseWriter, r *http.Request) {
	var p Person
	if !sandbox.Read(w, r, &p) {
		return
	}
	if err := s.AddPerson(p); err != nil {
		sandbox.Write(w, http.StatusUnprocessableEntity, sandbox.Problem{Code: "invalid", Message: err.Error()})
		return
	}
	sandbox.Write(w, http.StatusCreated, p)
}

func (s *Server) controlFaults(w http.ResponseWriter, r *http.Request) {
	var faults []Fault
	if !sandbox.Read(w, r, &faults) {
		return
	}
	s.SetFaults(faults...)
	sandbox.Write(w, http.StatusOK, faults)
}

// controlDeposits shows what a person sees in the statement of an account.
func (s *Server) controlDeposits(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	deposits := []int64{}
	for _, d := range s.state.Decisions {
		if d.Outcome == outcomeAsked && d.Account == r.PathValue("account") {
			deposits = append(deposits, d.DepositFen)
		}
	}
	sandbox.Write(w, http.StatusOK, map[string]any{"deposits_minor": deposits})
}
