package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"plimsoll/engine/policy/trial"
)

const (
	hubVariable = "PLIMSOLL_POLICY_HUB"
	hubTimeout  = time.Minute
	// maxHubIndex bounds an index, in bytes.
	maxHubIndex = 4 << 20
	// maxHubEntries bounds what is listed.
	maxHubEntries = 10_000
)

// hubIndex lists policies somebody publishes (deploy/policy-hub.md).
type hubIndex struct {
	Policies []hubEntry `json:"policies"`
}

type hubEntry struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Version     string `json:"version,omitempty"`
	Location    string `json:"location"` // from the address of the index
	SHA256      string `json:"sha256"`   // of the document, hex
}

var (
	errHubIndex = errors.New("not an index of policies")
	errHubHash  = errors.New("the document is not the one the index names")
)

// hub is where policies are published.
type hub struct {
	index  string
	client *http.Client
}

func newPolicyHub(c *connection) *cobra.Command {
	h := &hub{client: &http.Client{Timeout: hubTimeout, CheckRedirect: sameSafety}}
	cmd := &cobra.Command{Use: "hub", Short: "Policies that others publish, by an index"}
	cmd.PersistentFlags().StringVar(&h.index, "index", "", "address of the index, also "+hubVariable)
	cmd.AddCommand(h.list(c), h.get(), h.install(c))
	return cmd
}

// sameSafety follows no redirect from an encrypted address to a plain one.
func sameSafety(r *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return errors.New("too many redirects")
	}
	if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
		return fmt.Errorf("%s leads away from an encrypted connection", via[0].URL.Redacted())
	}
	return nil
}

func (h *hub) list(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List what the index offers", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			index, _, err := h.read(cmd.Context())
			if err != nil {
				return err
			}
			return c.showValue(cmd, index, func(w io.Writer) error {
				rows := make([][]string, len(index.Policies))
				for i, p := range index.Policies {
					rows[i] = []string{p.Name, p.Version, p.Description}
				}
				return table(w, []string{"NAME", "VERSION", "DESCRIPTION"}, rows)
			})
		},
	}
}

func (h *hub) get() *cobra.Command {
	return &cobra.Command{
		Use: "get NAME", Short: "Print a published policy, once it is the one the index names", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			document, err := h.fetch(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(document)
			return err
		},
	}
}

func (h *hub) install(c *connection) *cobra.Command {
	var activate, update bool
	cmd := &cobra.Command{
		Use: "install NAME", Short: "Store a published policy in the account", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := h.fetch(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			document, err := trial.Document(raw)
			if err != nil {
				return fmt.Errorf("read the policy %s: %w", args[0], err)
			}
			return c.install(cmd, document, update, activate)
		},
	}
	installFlags(cmd, &activate, &update)
	return cmd
}

// read fetches the index and says where it is.
func (h *hub) read(ctx context.Context) (hubIndex, *url.URL, error) {
	var index hubIndex
	address := h.index
	if address == "" {
		address = os.Getenv(hubVariable)
	}
	if address == "" {
		return index, nil, fmt.Errorf("say where the index is: --index or %s", hubVariable)
	}
	base, err := url.Parse(address)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return index, nil, fmt.Errorf("index %q: give an address like https://example.org/policies/index.json", address)
	}
	raw, err := h.download(ctx, base, maxHubIndex)
	if err != nil {
		return index, nil, err
	}
	if err := json.Unmarshal(raw, &index); err != nil {
		return index, nil, fmt.Errorf("%s: %w: %w", base.Redacted(), errHubIndex, err)
	}
	seen := map[string]bool{}
	for _, p := range index.Policies {
		if p.Name == "" || p.Location == "" || len(p.SHA256) != 2*sha256.Size || seen[p.Name] {
			return index, nil, fmt.Errorf("%s: %w: each policy needs a name of its own, a location and a sha256", base.Redacted(), errHubIndex)
		}
		seen[p.Name] = true
	}
	if len(index.Policies) == 0 || len(index.Policies) > maxHubEntries {
		return index, nil, fmt.Errorf("%s: %w: it lists %d policies", base.Redacted(), errHubIndex, len(index.Policies))
	}
	return index, base, nil
}

// fetch returns a published document.
func (h *hub) fetch(ctx context.Context, name string) ([]byte, error) {
	index, base, err := h.read(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range index.Policies {
		if p.Name != name {
			continue
		}
		location, err := base.Parse(p.Location)
		if err != nil || location.Scheme != base.Scheme && location.Scheme != "https" {
			return nil, fmt.Errorf("policy %s: the index names a location that is not fetched: %.200q", name, p.Location)
		}
		document, err := h.download(ctx, location, maxPolicyFile)
		if err != nil {
			return nil, err
		}
		if sum := sha256.Sum256(document); hex.EncodeToString(sum[:]) != p.SHA256 {
			return nil, fmt.Errorf("policy %s: %w (SHA-256 %x, want %s)", name, errHubHash, sum, p.SHA256)
		}
		return document, nil
	}
	return nil, fmt.Errorf("the index has no policy %s", name)
}

// download reads at most so many bytes. The server's credentials are not sent anywhere else.
func (h *hub) download(ctx context.Context, from *url.URL, limit int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), http.NoBody) //nolint:gosec // the user names the index
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", from.Redacted(), err)
	}
	r.Header.Set("User-Agent", "plimsollctl")
	answer, err := h.client.Do(r) //nolint:gosec // see above
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", from.Redacted(), err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch %s: the answer is %s", from.Redacted(), answer.Status)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", from.Redacted(), err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("fetch %s: it is larger than %d bytes", from.Redacted(), limit)
	}
	return body, nil
}
