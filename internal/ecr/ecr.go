package ecr

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/singleflight"
)

// User names with a meaning of their own.
const (
	UserToken   = "AWS"        // the password is a token already
	UserAmbient = "awsauto"    // the process's own credentials
	rolePrefix  = "_iam_role:" // an ARN follows
)

var (
	// ErrHost reports a registry that is none of AWS's.
	ErrHost = errors.New("not the address of an Elastic Container Registry, such as 123456789012.dkr.ecr.eu-central-1.amazonaws.com")
	// ErrAmbient reports an entry that asks for the process's own credentials where these are not lent.
	ErrAmbient = errors.New("this installation does not lend its own AWS credentials to registry entries (registries.aws.ambient_credentials)")
	// ErrRefused reports credentials that AWS does not accept.
	ErrRefused = errors.New("AWS refuses the credentials")
	// ErrUnreachable reports AWS not answering, or with trouble of its own.
	ErrUnreachable = errors.New("AWS does not answer")
)

// Config is the `registries.aws` section of the configuration.
type Config struct {
	Ambient     bool   `yaml:"ambient_credentials" doc:"Lend the AWS credentials this process runs with to registry entries with the user awsauto or _iam_role:ARN, whichever account adds them."`
	ECREndpoint string `yaml:"ecr_endpoint" doc:"Address of the ECR API, in place of AWS's own of the registry's region."`
	STSEndpoint string `yaml:"sts_endpoint" doc:"Address of the STS API, in place of AWS's own."`
}

const (
	// early is how long before its end a token is renewed: an analysis that begins with it goes on for a while.
	early = time.Hour
	// exchangeTimeout bounds one exchange.
	exchangeTimeout = 30 * time.Second
	// most bounds the tokens kept.
	most = 10_000
)

// host is the form of a registry's address (Amazon ECR user guide, "Private registry"); the partition's domain differs
// in China.
var host = regexp.MustCompile(`^([0-9]{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)$`)

// Exchanges reports whether a user name asks for an exchange.
func Exchanges(user string) bool { return user != UserToken }

// Tokens buys tokens and keeps them. It is safe for use by many goroutines.
type Tokens struct {
	config Config
	now    func() time.Time
	flight singleflight.Group

	mu   sync.Mutex
	kept map[[sha256.Size]byte]token
}

type token struct {
	user, password string
	expires        time.Time
}

// New returns an empty store of tokens.
func New(c Config) *Tokens {
	return &Tokens{config: c, now: time.Now, kept: map[[sha256.Size]byte]token{}}
}

// Get returns the user name and password for a registry host: ErrHost, ErrAmbient, ErrRefused, ErrUnreachable.
func (t *Tokens) Get(ctx context.Context, registry, user, password string) (name, secret string, err error) {
	id := key(registry, user, password)
	t.mu.Lock()
	known, ok := t.kept[id]
	t.mu.Unlock()
	if ok && t.now().Before(known.expires.Add(-early)) {
		return known.user, known.password, nil
	}
	bought, err, _ := t.flight.Do(string(id[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), exchangeTimeout) // others wait for it, too
		defer cancel()
		return t.buy(ctx, registry, user, password)
	})
	if err != nil {
		if ok && t.now().Before(known.expires) && errors.Is(err, ErrUnreachable) {
			return known.user, known.password, nil
		}
		return "", "", err
	}
	fresh, _ := bought.(token)
	t.keep(id, fresh)
	return fresh.user, fresh.password, nil
}

// Forget drops a token that a registry has refused, so that the next Get buys another.
func (t *Tokens) Forget(registry, user, password string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.kept, key(registry, user, password))
}

func key(parts ...string) [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.Join(parts, "\x00")))
}

func (t *Tokens) keep(id [sha256.Size]byte, fresh token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.kept) >= most {
		clear(t.kept)
	}
	t.kept[id] = fresh
}

// buy asks ECR for an authorization token of the registry.
func (t *Tokens) buy(ctx context.Context, registry, user, password string) (token, error) {
	at := host.FindStringSubmatch(strings.ToLower(registry))
	if at == nil {
		return token{}, fmt.Errorf("%s: %w", registry, ErrHost)
	}
	region := at[2]
	provider, err := t.provider(ctx, region, user, password)
	if err != nil {
		return token{}, err
	}
	client := ecr.New(ecr.Options{Region: region, Credentials: provider, BaseEndpoint: endpoint(t.config.ECREndpoint)})
	out, err := client.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return token{}, classify("get a registry token", err)
	}
	if len(out.AuthorizationData) == 0 || out.AuthorizationData[0].AuthorizationToken == nil {
		return token{}, fmt.Errorf("get a registry token: %w: the answer holds none", ErrUnreachable)
	}
	data := out.AuthorizationData[0]
	plain, err := base64.StdEncoding.DecodeString(*data.AuthorizationToken)
	name, secret, ok := strings.Cut(string(plain), ":")
	if err != nil || !ok {
		return token{}, fmt.Errorf("get a registry token: %w: the answer is no token", ErrUnreachable)
	}
	bought := token{user: name, password: secret, expires: t.now().Add(12 * time.Hour)}
	if data.ExpiresAt != nil {
		bought.expires = *data.ExpiresAt
	}
	return bought, nil
}

// provider finds the credentials that pay for the token.
func (t *Tokens) provider(ctx context.Context, region, user, password string) (aws.CredentialsProvider, error) {
	role, isRole := strings.CutPrefix(user, rolePrefix)
	if user != UserAmbient && !isRole {
		return credentials.NewStaticCredentialsProvider(user, password, ""), nil
	}
	if !t.config.Ambient {
		return nil, ErrAmbient
	}
	own, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return nil, classify("find this process's AWS credentials", err)
	}
	if !isRole {
		return own.Credentials, nil
	}
	issuer := sts.New(sts.Options{Region: region, Credentials: own.Credentials, BaseEndpoint: endpoint(t.config.STSEndpoint)})
	return stscreds.NewAssumeRoleProvider(issuer, role, func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = "plimsoll" }), nil
}

func endpoint(address string) *string {
	if address == "" {
		return nil
	}
	return &address
}

// classify keeps of an error what may be shown: AWS's code, never its text, which may repeat what was sent.
func classify(what string, err error) error {
	var answer smithy.APIError
	var response *smithyhttp.ResponseError
	trouble := errors.As(err, &response) && (response.HTTPStatusCode() >= http.StatusInternalServerError || response.HTTPStatusCode() == http.StatusTooManyRequests)
	if !trouble && errors.As(err, &answer) && answer.ErrorCode() != "ThrottlingException" {
		return fmt.Errorf("%s: %w (%s)", what, ErrRefused, answer.ErrorCode())
	}
	return fmt.Errorf("%s: %w", what, ErrUnreachable)
}
