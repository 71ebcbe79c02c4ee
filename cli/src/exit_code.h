#pragma once

#include <string_view>

namespace xa_tm::cli {

/// The exit codes of every command, as `xa-recover --help` promises them.
inline constexpr int kNothingInDoubt = 0;
inline constexpr int kInDoubt = 1;
inline constexpr int kUsage = 2;
inline constexpr int kUnreadable = 3;

/// What an exit code means, as help, the manual page and docs/operating.md say it.
struct ExitCode {
    int code;
    std::string_view meaning;
};

/// Of commands that ask servers, and of the program as a whole.
inline constexpr ExitCode kExitCodes[] = {
    {kNothingInDoubt, "nothing is left in doubt"},
    {kInDoubt, "something is left in doubt; foreign and live transactions don't count"},
    {kUsage, "wrong usage or configuration, or the log is another node's; nothing was changed"},
    {kUnreadable, "the log or a resource could not be read, so more may be in doubt"},
};

/// Of commands that are asked about one transaction.
inline constexpr ExitCode kTransactionExitCodes[] = {
    {kNothingInDoubt, "the transaction is live or foreign"},
    {kInDoubt, "the transaction is in doubt"},
    {kUsage,
     "wrong usage or configuration; or everything could be read and nothing knows the "
     "transaction: it has finished, or it was never here"},
    {kUnreadable, "the log or a resource could not be read, so it may be in doubt there"},
};

/// Of commands that read the log alone.
inline constexpr ExitCode kLogExitCodes[] = {
    {kNothingInDoubt, "done; warnings don't count"},
    {kUsage, "wrong usage or configuration, no such entry, or the log is another node's"},
    {kUnreadable, "the log is damaged, or can't be read"},
};

/// Of commands that print a text about the program.
inline constexpr ExitCode kTextExitCodes[] = {
    {kNothingInDoubt, "done"},
    {kUsage, "wrong usage"},
};

}  // namespace xa_tm::cli
