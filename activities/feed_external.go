package activities

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"time"

	"plimsoll/activities/fetch"
	"plimsoll/engine/feed"
	"plimsoll/engine/feed/external"
	"plimsoll/internal/config"
)

// External is a vulnerability source that somebody else's program delivers, by the contract of package external.
type External struct {
	Name     string           `yaml:"name"`
	Command  []string         `yaml:"command,omitempty"` // program and arguments; no shell
	URL      config.SecretURL `yaml:"url,omitempty"`     // in place of a program: asked by POST
	Disabled bool             `yaml:"disabled,omitempty"`
	Interval time.Duration    `yaml:"interval,omitempty"` // 0: feeds.interval
	// Priority orders sources that speak about the same packages: higher goes before. Publishers have 0, OSV.dev and whoever
	// says nothing here -1, the NVD -2.
	Priority *int          `yaml:"priority,omitempty"`
	Timeout  time.Duration `yaml:"timeout,omitempty"` // for one answer; 0: an hour
	// Token is sent as a bearer token, or given to a program as PLIMSOLL_FEED_TOKEN.
	Token config.Secret `yaml:"token,omitempty"`
	Env   []string      `yaml:"env,omitempty"` // names of variables of the worker a program gets
}

const (
	// tokenVariable is where a program finds its token.
	tokenVariable = "PLIMSOLL_FEED_TOKEN" // #nosec G101 -- the name, not a token
	// defaultAnswerTime and maxAnswerTime bound one answer; the activity itself may take four hours.
	defaultAnswerTime = time.Hour
	maxAnswerTime     = 3 * time.Hour
	// defaultPriority is that of who passes on what others found; maxPriority bounds priorities either way.
	defaultPriority = -1
	maxPriority     = 1000
)

var (
	externalName = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,62}$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// fault says what is wrong with the entry; taken are the names of other sources.
func (e External) fault(taken map[string]bool) error {
	switch {
	case !externalName.MatchString(e.Name):
		return fmt.Errorf("name %.80q: a lower-case letter, then up to 62 letters, digits, dots, dashes and underscores", e.Name)
	case taken[e.Name]:
		return fmt.Errorf("%s: there is a source of that name already", e.Name)
	case (len(e.Command) > 0) == (e.URL != ""):
		return fmt.Errorf("%s: give either a command or a url", e.Name)
	case len(e.Command) > 0 && e.Command[0] == "":
		return fmt.Errorf("%s: command: the program is missing", e.Name)
	case e.Interval != 0 && e.Interval < minInterval:
		return fmt.Errorf("%s: interval: must be 0 or at least %s", e.Name, minInterval)
	case e.Timeout < 0 || e.Timeout > maxAnswerTime:
		return fmt.Errorf("%s: timeout: must be 0 or up to %s", e.Name, maxAnswerTime)
	case e.Priority != nil && (*e.Priority < -maxPriority || *e.Priority > maxPriority):
		return fmt.Errorf("%s: priority: must be from -%d to %d", e.Name, maxPriority, maxPriority)
	case slices.ContainsFunc(e.Env, func(name string) bool { return !variableName.MatchString(name) }):
		return fmt.Errorf("%s: env: lists names of environment variables", e.Name)
	}
	if e.URL != "" {
		return fetch.CheckEndpoint(e.Name+": url", e.URL.Reveal())
	}
	return nil
}

func (e External) plugin() fetch.Plugin {
	p := fetch.Plugin{Name: e.Name, Command: e.Command, URL: e.URL.Reveal(), Timeout: e.Timeout, Secrets: []string{e.Token.Reveal()}}
	if p.Timeout == 0 {
		p.Timeout = defaultAnswerTime
	}
	for _, name := range e.Env {
		if value, set := os.LookupEnv(name); set {
			p.Env = append(p.Env, name+"="+value)
		}
	}
	if e.Token != "" {
		p.Env = append(p.Env, tokenVariable+"="+e.Token.Reveal())
		p.Header = map[string]string{"Authorization": "Bearer " + e.Token.Reveal()}
	}
	return p
}

// priorities are those of the external sources.
func (f Feeds) priorities() map[string]int {
	out := map[string]int{}
	for _, e := range f.External {
		out[e.Name] = defaultPriority
		if e.Priority != nil {
			out[e.Name] = *e.Priority
		}
	}
	return out
}

// checkExternal reports every fault of the external sources.
func (f Feeds) checkExternal() (faults []error) {
	taken := map[string]bool{}
	for name := range f.builtin() {
		taken[name] = true
	}
	for _, e := range f.External {
		if err := e.fault(taken); err != nil {
			faults = append(faults, fmt.Errorf("external: %w", err))
		}
		taken[e.Name] = true
	}
	return faults
}

// ask has an external source answer, and reads from the answer what it is.
func (s *groupSync) ask(ctx context.Context, e External, force bool) (feed.Plan, fetchedSet, bool, error) {
	cursor, err := s.cursor(ctx, force)
	if err != nil {
		return feed.Plan{}, nil, false, err
	}
	question, err := external.Ask(cursor)
	if err != nil {
		return feed.Plan{}, nil, false, err
	}
	before, err := s.feedStore.Documents(ctx, s.driver.Name, s.group.Name)
	if err != nil {
		return feed.Plan{}, nil, false, err
	}
	answer, err := s.fetcher.Ask(ctx, e.plugin(), question, s.progress.transfer)
	if err != nil {
		return feed.Plan{}, nil, false, err
	}
	plan, err := external.Plan(ctx, answer.Fetched(feed.Document{Name: e.Name}))
	if err == nil && plan.Delta && cursor == "" {
		err = fmt.Errorf("%w: a delta, though everything was asked for", external.ErrStream)
	}
	if err != nil {
		if ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", errDocument, err)
		}
		return feed.Plan{}, nil, false, errors.Join(err, answer.Close())
	}
	docs := fetchedSet{{plan.Documents[0], answer}}
	unchanged := !force && !plan.Delta && before[plan.Documents[0].Name].BodySHA256 == answer.SHA256
	return plan, docs, unchanged, nil
}
