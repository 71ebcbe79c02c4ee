package peers;

/** How an error is told. */
final class Texts {
    private Texts() {}

    /** The innermost cause in one line: a transaction manager wraps what a server said several times. */
    static String oneLine(Throwable error) {
        Throwable cause = error;
        while (cause.getCause() != null && cause.getCause() != cause) {
            cause = cause.getCause();
        }
        String message = cause.getMessage() == null ? "" : ": " + cause.getMessage();
        return (cause.getClass().getSimpleName() + message).replaceAll("\\s+", " ").strip();
    }
}
